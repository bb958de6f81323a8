# shellcheck shell=sh
# What service/install-server puts outside of /usr/share/kegnet-client, and how it is removed. service/uninstall-server,
# service/uninstall and the package's preinst read this file. Every step can be repeated; no step deletes data.

# Prints the unit kegnet-server@.service: one of several processes behind a proxy, at a port of its own. $1 is kegnet-server.service.
print_instance_unit() {
    sed -e 's/^Description=.*/&, at port %i/' -e 's/ serve$/& --listen 127.0.0.1:%i/' -e 's/^SyslogIdentifier=.*/&-%i/' "$1"
}

# Stops the server and removes its units, its command, its manual page and its completion.
remove_the_servers_files() {
    if [ -d /run/systemd/system ]; then
        systemctl stop kegnet-server.service 'kegnet-server@*.service' 2>/dev/null || true
    fi
    for unit in kegnet-server.service kegnet-server@.service; do
        if [ -e "/etc/systemd/system/$unit" ] || [ -L "/etc/systemd/system/$unit" ]; then
            systemctl --quiet disable "$unit" 2>/dev/null || true
            rm -f "/etc/systemd/system/$unit"
        fi
    done
    rm -f /usr/local/sbin/kegnet-server /usr/local/lib/sysusers.d/kegnet-server.conf /usr/local/share/man/man8/kegnet-server.8 \
        /usr/local/share/bash-completion/completions/kegnet-server
    rm -rf /run/kegnet-server
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

# Removes the user if no file belongs to it: the next system user that is made can get the number of a removed one, and its files.
remove_the_servers_user() {
    rmdir /var/lib/kegnet-server 2>/dev/null || true
    if ! getent passwd kegnet-server >/dev/null; then return 0; fi
    owned=$(find -H /var/lib/kegnet-server /etc/kegnet-server.conf \( -user kegnet-server -o -group kegnet-server \) -print -quit 2>/dev/null || true)
    if [ -n "$owned" ]; then
        echo "The user kegnet-server stays, because files belong to it or its group, such as $owned"
    else
        userdel kegnet-server || echo "The user kegnet-server could not be removed." >&2
    fi
}
