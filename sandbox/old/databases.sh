# Runs in the database's pod: `databases.sh empty` drops every schema of Airflow's and makes an empty one,
# `load FILE` does so and fills it from a dump, `dump FILE` makes that dump.
set -euo pipefail

empty() {
    {
        mariadb -N -e "select concat('drop database \`', schema_name, '\`;') from information_schema.schemata
                       where schema_name like 'airflow%'"
        echo "create database airflow character set utf8mb4 collate utf8mb4_unicode_ci;"
        grants
    } | mariadb
}

# What a careful administrator gives: the documented rights, on the schemas that the collection names, and on no others.
grants() {
    # The old Airflow doesn't encrypt; tests of the new one let it.
    echo "alter user 'airflow'@'%' require none;"
    echo "revoke all privileges, grant option from 'airflow'@'%';"
    for schema in 'airflow' 'airflow\_beside' 'airflow\_rehearsal' 'airflow\_before\_%' 'airflow\_undone\_%'; do
        echo "grant select, insert, update, delete, create, drop, index, alter, references
              on \`$schema\`.* to 'airflow'@'%';"
    done
}

case $1 in
    empty) empty ;;
    load) empty; zcat "$2" | mariadb airflow ;;
    dump) (umask 077; mariadb-dump --single-transaction airflow | gzip -9 > "$2") ;;
esac
