{% macro reported_period_type(period_start, period_end, fiscal_period, statement) %}
    {#-
        What kind of period a fact is of, by its days where both ends are known: fiscal quarters have
        11 to 17 weeks, years 52 or 53 weeks, and what is between counts from the start of the year.
        Without a start it is the vendor's word, and a balance is of a day. What a filing says of
        itself (`fy`, `fp`) is not asked: the year before in it says the same.
    -#}
    case
        when {{ statement }} in ('balance', 'overview') then 'instant'
        when {{ period_start }} is not null
            then
                case
                    when {{ period_end }} - {{ period_start }} + 1 between 75 and 125
                        then 'quarter'
                    when {{ period_end }} - {{ period_start }} + 1 between 150 and 300
                        then 'year_to_date'
                    when {{ period_end }} - {{ period_start }} + 1 between 340 and 385
                        then 'annual'
                    else 'other'
                end
        when {{ fiscal_period }} in ('FY', 'ANNUAL') and {{ statement }} is not null
            then 'annual'
        when starts_with({{ fiscal_period }}, 'Q') and {{ statement }} is not null then 'quarter'
        else 'instant'
    end
{%- endmacro %}


{% macro filing_available_at(accepted_at, filed_date, period_end_date) %}
    {#-
        When a filing could be known, UTC, or NULL where neither time nor date of it is: its
        acceptance; what is accepted after hours is filed, and out, on the next business day, at 6:00
        New York. Of a date alone, the end of that day in New York. Never before the period has ended,
        whatever the vendor says.
    -#}
    case
        when {{ filed_date }} is not null
            then
                greatest(
                    case
                        when {{ accepted_at }} is null
                            then {{ utc_from_local(
                                "cast(" ~ filed_date ~ " + 1 as timestamp)", "'America/New_York'"
                            ) }}
                        when {{ filed_date }} > cast(
                            {{ local_timestamp(accepted_at, "'America/New_York'") }} as date
                        )
                            then {{ utc_from_local(
                                "cast(" ~ filed_date ~ " as timestamp) + interval 6 hour",
                                "'America/New_York'"
                            ) }}
                        else {{ accepted_at }}
                    end,
                    {{ utc_from_local(
                        "cast(" ~ period_end_date ~ " + 1 as timestamp)", "'America/New_York'"
                    ) }}
                )
    end
{%- endmacro %}
