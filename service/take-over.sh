# shellcheck shell=sh disable=SC2154
# What an older installation leaves to its successor, the client of 2013 above all: read by service/install, and by the
# maintainer scripts of the package. Each step may be done again, and none deletes a pour, a key or a configuration.
# Takes: home, the installation's root; conf, where its configuration lies.

# The client of 2013 trusted no authority but the one in ca.crt; and so it goes on, until somebody says otherwise.
name_its_authorities() {
    if [ -d "$home/lib/kegnet" ] || ! [ -e "$home/bin/client.sh" ]; then return 0; fi
    if ! [ -f "$conf/client.conf" ] || grep -qi '^[[:space:]]*caBundle' "$conf/client.conf"; then return 0; fi
    if grep -qs 'BEGIN CERTIFICATE' "$conf/ca.crt"; then
        cp -p "$conf/client.conf" "$conf/client.conf.new"
        sed 's/^\([[:space:]]*\[KegNet\].*\)$/\1\ncaBundle = ca.crt/' "$conf/client.conf" >"$conf/client.conf.new"
        sync "$conf/client.conf.new"
        mv "$conf/client.conf.new" "$conf/client.conf"
        grep -q '^caBundle' "$conf/client.conf" || return 0
        echo "Kept: the server's certificate must be by an authority in $conf/ca.crt, as before (caBundle in client.conf)."
    fi
}

# It came with a key that everybody could read.
close_its_key() {
    [ -f "$conf/privkey.pem" ] || return 0
    case $(stat -L -c '%u %a' "$conf/privkey.pem") in
    "0 "[0-7]00) return 0 ;;
    esac
    if chown root:root "$conf/privkey.pem" && chmod 600 "$conf/privkey.pem"; then
        echo "Closed: $conf/privkey.pem could be read by others than root."
    else
        echo "$conf/privkey.pem can be read by others than root; put it where it can be closed to them." >&2
    fi
}

# A unit in /etc goes before every other one of its name. One that was masked stays so.
set_its_unit_aside() {
    unit=/etc/systemd/system/kegnet-client.service
    case $(readlink "$unit" || true) in
    "$home/service/kegnet-client.service" | /dev/null) return 0 ;;
    esac
    if [ -e "$unit" ] || [ -L "$unit" ]; then
        mv --backup=numbered "$unit" "$unit.before"
        echo "Set aside: the old unit, as $unit.before"
    fi
}

# Which links of the service Debian's helper has made, and would take away with the package, whoever's they are by then.
forget_debians_links() {
    rm -f /var/lib/systemd/deb-systemd-helper-enabled/kegnet-client.service.dsh-also \
        /var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/kegnet-client.service
}

# Whoever is of the group may drop pours, and what is dropped belongs to the group. The directory's owner stays who it is.
open_its_spool() {
    chgrp kegnet "$home/spool/"
    chmod g+rwxs "$home/spool/"
    # Those that were there before, the client must be able to read.
    # One may go while this looks.
    find "$home/spool/" -maxdepth 1 -type f -name '*.pour*' ! -group kegnet -exec chgrp kegnet {} \; -exec chmod g+r {} \; 2>/dev/null || true
}

# A configuration of somebody's own is no template for others.
is_blank() {
    ! grep -Eqi '^[[:space:]]*uuid[[:space:]]*[=:][[:space:]]*[^[:space:]]' "$1"
}
