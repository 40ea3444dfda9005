{% macro ref() %}
    {#-
        Leave the database out of every reference: the file is built under one name and published
        under another, and views keep the text they were created with.
    -#}
    {% set version = kwargs.get('version') or kwargs.get('v') %}
    {% do return(builtins.ref(*varargs, version=version).include(database=false)) %}
{% endmacro %}
