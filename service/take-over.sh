# shellcheck shell=sh disable=SC2154
# How an older installation is taken over, mainly the client of 2013. service/install, service/uninstall and the package's
# maintainer scripts read this file. Every step can be repeated, and no step deletes a pour, a key or a configuration.
# Uses: home, the root of the installation; conf, the directory of its configuration.

# In a directory that another user can write to, that user can replace any name by a link between two of our commands.
# Call this before the first command that uses a name below $home. Only root can write to the parent of $home.
close_its_directories() {
    for directory in "$home" "$conf" "$home/bin" "$home/lib" "$home/service"; do
        if [ -L "$directory" ] || ! [ -d "$directory" ]; then continue; fi
        if [ -n "$(find "$directory" -maxdepth 0 \( ! -user 0 -o -perm /022 \))" ]; then
            chown root "$directory"
            chmod go-w "$directory"
            echo "Closed: $directory was writable by other users than root."
        fi
    done
}

# The client of 2013 trusted only the authority in ca.crt. Keep that until the owner changes caBundle.
name_its_authorities() {
    if [ -d "$home/lib/kegnet" ] || ! [ -e "$home/bin/client.sh" ]; then return 0; fi
    if ! [ -f "$conf/client.conf" ] || grep -qi '^[[:space:]]*caBundle' "$conf/client.conf"; then return 0; fi
    if grep -qs 'BEGIN CERTIFICATE' "$conf/ca.crt"; then
        cp -p --remove-destination "$conf/client.conf" "$conf/client.conf.new"
        sed -i 's/^\([[:space:]]*\[KegNet\].*\)$/\1\ncaBundle = ca.crt/' "$conf/client.conf.new"
        sync "$conf/client.conf.new"
        mv -T "$conf/client.conf.new" "$conf/client.conf"
        grep -q '^caBundle' "$conf/client.conf" || return 0
        echo "Kept: only an authority in $conf/ca.crt can certify the server, as before (caBundle in client.conf)."
    fi
}

# The key of 2013 was readable by every user. A link or a second hard link can lead to a file that is not ours: chown and
# chmod would change that file.
close_its_key() {
    key=$conf/privkey.pem
    [ -f "$key" ] || return 0
    case $(stat -L -c '%u %a' "$key") in
    "0 "[0-7]00) return 0 ;;
    esac
    if ! [ -L "$key" ] && [ "$(stat -c %h "$key")" = 1 ] && chown root:root "$key" && chmod 600 "$key"; then
        echo "Closed: $key was readable by other users than root."
    else
        echo "$key is readable by other users than root; move it to a file that only root can read." >&2
    fi
}

# A unit in /etc has priority over a unit of the same name elsewhere. A masked unit stays masked.
move_its_units_away() {
    for name in kegnet-client.service kegnet-meter.service; do
        unit=/etc/systemd/system/$name
        case $(readlink "$unit" || true) in
        "$home/service/$name" | /dev/null) continue ;;
        esac
        if [ -e "$unit" ] || [ -L "$unit" ]; then
            mv --backup=numbered "$unit" "$unit.before"
            echo "Renamed: the old unit, to $unit.before"
        fi
    done
}

# What service/install copies or links outside $home, except for units.
remove_its_files_elsewhere() {
    rm -f /usr/share/kegnet/stop-kegnet-client /usr/local/lib/udev/rules.d/60-kegnet-meter.rules
    for program in kegnet-client kegnet-meter; do
        rm -f "/usr/local/sbin/$program" "/usr/local/lib/sysusers.d/$program.conf" "/usr/local/share/man/man8/$program.8" \
            "/usr/local/share/bash-completion/completions/$program"
    done
    rm -f /usr/local/share/man/man5/client.conf.5 /usr/local/share/man/man5/meter.conf.5
}

# Gives the GPIO chips to their group now: udev has done so at boot, without the rule.
open_its_gpio_chips() {
    if ! [ -e /run/udev/control ] || ! command -v udevadm >/dev/null; then return 0; fi
    udevadm control --reload || true
    udevadm trigger --action=change --subsystem-match=gpio || true
}

# Whether service/install-server has set up a server: it runs from the same lib/.
its_server_is_here() {
    grep -qs "^ExecStart=.*$home/lib/server.py" /etc/systemd/system/kegnet-server.service
}

# Old code must not read new templates.
restart_its_server() {
    if ! its_server_is_here; then return 0; fi
    if systemctl try-restart kegnet-server.service 'kegnet-server@*.service'; then
        echo "If kegnet-server runs, it was restarted, too. To update what it needs: sudo service/install-server, from a clone."
    else
        echo "kegnet-server does not start with the new program; run: sudo service/install-server, from a clone" >&2
    fi
}

# pourd is not taken over without its owner.
offer_to_take_over_pourd() {
    for unit in /etc/systemd/system/*.wants/pourd@*.service; do
        [ -L "$unit" ] || continue
        echo "The flow-meter daemon pourd counts as before. kegnet-meter can take its place: sudo $home/service/take-over-pourd"
        return 0
    done
}

# After kegnet-meter has taken over from pourd and is removed, nothing counts.
explain_how_pourd_starts_again() {
    for file in "$conf"/pourd*.conf.taken-over; do
        [ -e "$file" ] || continue
        pin=${file##*/pourd}
        pin=${pin%.conf.taken-over}
        echo "Pin $pin is not counted any more. To let pourd do it: mv $file ${file%.taken-over} && systemctl enable --now pourd@$pin"
    done
}

# Debian's helper records which links it made for the service, and removes them with the package, even if they are ours by then.
forget_debians_links() {
    for name in kegnet-client.service kegnet-meter.service; do
        rm -f "/var/lib/systemd/deb-systemd-helper-enabled/$name.dsh-also" \
            "/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/$name"
    done
}

# Removes the program of any version. The flow-meter daemon of 2013, pourd, is in the same folders, with a script for the GPIO
# pins: they stay, and continue to run.
remove_its_program() {
    for part in start-kegnet-client stop-kegnet-client README.md LICENSE; do
        rm -rf "${home:?}/$part" "$home/$part.new" "$home/$part.old"
    done
    # service/ is the last: service/uninstall can be repeated until then.
    for folder in bin lib service; do
        rm -rf "$home/$folder.new" "$home/$folder.old"
        if [ -d "$home/$folder" ] && ! [ -L "$home/$folder" ]; then
            find "$home/$folder" -mindepth 1 -maxdepth 1 ! -name 'pourd*' ! -name '*gpio*' -exec rm -rf {} +
            rmdir --ignore-fail-on-non-empty "$home/$folder"
        else
            rm -rf "${home:?}/$folder"
        fi
    done
}

# Members of the group can write pours, and the client can read them. The owner of the directory stays the same.
share_its_spool() {
    /usr/bin/python3 -I "$1" "$home/spool" kegnet
}

# Whether a file is the template, without a client's UUID.
is_template() {
    ! grep -Eqi '^[[:space:]]*uuid[[:space:]]*[=:][[:space:]]*[^[:space:]]' "$1"
}

# The configuration of one client must not become the template of others.
require_template() {
    if ! is_template "$1/conf/client.conf"; then
        echo "$1/conf/client.conf contains the configuration of a client, and must be the template here." >&2
    elif grep -Eqi '^[[:space:]]*[[][[:space:]]*pin' "$1/conf/meter.conf"; then
        echo "$1/conf/meter.conf contains the pins of a flow meter, and must be the template here." >&2
    else
        return 0
    fi
    if [ -e "$1/.git" ]; then
        echo "Move it away, and get the template back with: git -C $1 checkout conf" >&2
    else
        echo "Use a fresh copy of the source." >&2
    fi
    exit 1
}
