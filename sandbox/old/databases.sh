# Runs in the database's pod: `databases.sh empty` drops every schema of Airflow's and makes an empty one,
# `load FILE` does so and fills it from a dump, `dump FILE` makes that dump.
set -euo pipefail

empty() {
    {
        mariadb -N -e "select concat('drop database \`', schema_name, '\`;') from information_schema.schemata
                       where schema_name like 'airflow%'"
        echo "create database airflow character set utf8mb4 collate utf8mb4_unicode_ci;"
        echo "grant all on \`airflow%\`.* to 'airflow'@'%';"
    } | mariadb
}

case $1 in
    empty) empty ;;
    load) empty; zcat "$2" | mariadb airflow ;;
    dump) (umask 077; mariadb-dump --single-transaction airflow | gzip -9 > "$2") ;;
esac
