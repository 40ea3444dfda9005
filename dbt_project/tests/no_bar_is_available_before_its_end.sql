-- A failing row is a final bar that claims to have been known before it had ended: look-ahead.
select *
from {{ ref('bars') }}
where is_final and available_at < bar_end_at
