#!/bin/sh
# A command of the workbench as the systemd unit would run it: its user, its folders, its settings (docs/operating.md).
#   deploy/as-service.sh users add NAME --role promote
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "wanted root, who may act as the service's user; you are $(id -un)" >&2
    exit 2
fi
export UMT_HOME=/var/lib/mner-workbench UMT_CACHE=/var/cache/mner-workbench HOME=/var/lib/mner-workbench
settings=/etc/mner-workbench.env
if [ -e "$settings" ]; then
    # Read, not run: a password in it may hold what a shell would take apart.
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            '#'* | ';'*) ;;
            *=*) export "$line" ;;
        esac
    done <"$settings"
fi
umask 077
install -d -o mner-workbench -g mner-workbench -m 700 "$UMT_HOME" "$UMT_CACHE"
exec setpriv --reuid mner-workbench --regid mner-workbench --init-groups -- .venv/bin/python -m umt_core "$@"
