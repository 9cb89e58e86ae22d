#!/bin/sh
# Builds the Debian packages, installs them on THIS machine, runs a node from
# them, upgrades, removes and purges them, and looks for what stays behind.
# Only for machines that may be changed (CI's): as root, and only with
#
#	tests/package.sh --install-here
#
# Not part of `make check`.  Needs debhelper and what debian/control says;
# lintian's errors count where lintian is installed.  It touches nothing where
# Wharf is installed already.
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
pkgs="wharf libwharf0 libwharf-dev"
pid=

say() { echo "package: $*"; }
die() { say "FAILED: $*" >&2; exit 1; }

[ "${1-}" = --install-here ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
[ "$(id -u)" -eq 0 ] || die "must be root"
for p in $pkgs; do
	! dpkg-query -W "$p" >/dev/null 2>&1 || die "$p is installed already"
done
for f in /etc/wharf.conf /var/lib/wharf /run/wharf /var/log/wharf; do
	[ ! -e $f ] || die "$f is there already"
done
had_user=$(getent passwd wharf || true)
tmp=$(mktemp -d)
chmod 755 "$tmp"

clean() {
	rc=$?
	trap - EXIT
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
	dpkg -P $pkgs >/dev/null 2>&1 || true
	# The package leaves its user, as it must; this machine had none.
	[ -n "$had_user" ] || userdel wharf 2>/dev/null || true
	[ $rc -eq 0 ] || tail -n 30 "$tmp"/*.log 2>/dev/null || true
	rm -rf "$tmp"
	exit $rc
}
trap clean EXIT
trap 'exit 1' INT TERM HUP

copy_source() {
	mkdir "$tmp/wharf"
	(cd "$src" && if [ -d .git ]; then
		git -c safe.directory="$src" ls-files -zco --exclude-standard
	else
		find . -type f -print0
	fi | tar -c --null --no-recursion --ignore-failed-read -T -) |
	    tar -x -C "$tmp/wharf"
}

build() {
	(cd "$tmp/wharf" &&
	    DEB_BUILD_PROFILES=nocheck \
	    DEB_BUILD_OPTIONS="nocheck parallel=$(nproc) ${DEB_BUILD_OPTIONS-}" \
	    dpkg-buildpackage -us -uc -b >"$tmp/build.log" 2>&1) ||
	    die "dpkg-buildpackage"
	for p in $pkgs; do
		[ -n "$(find "$tmp" -maxdepth 1 -name "${p}_*.deb")" ] ||
		    die "no package $p"
	done
	if command -v lintian >/dev/null 2>&1; then
		lintian --allow-root --fail-on error,warning \
		    "$tmp"/wharf_*.changes >"$tmp/lintian.log" 2>&1 ||
		    die "lintian"
	fi
}

install_all() {
	dpkg -i "$tmp"/wharf_*.deb "$tmp"/libwharf0_*.deb \
	    "$tmp"/libwharf-dev_*.deb >>"$tmp/dpkg.log" 2>&1 || die "dpkg -i"
}

# As the unit starts it, with the installed configuration; only the ports are
# any that are free.
start() {
	install -d -o wharf -g wharf -m 0750 /run/wharf
	setpriv --reuid=wharf --regid=wharf --init-groups /usr/bin/wharfd \
	    -c /etc/wharf.conf -o db.listen=127.0.0.1:0 \
	    -o mq.listen=127.0.0.1:0 >>"$tmp/wharfd.log" 2>&1 &
	pid=$!
	i=0
	until url=http://$(sed -n 's/^db //p' /run/wharf/ports 2>/dev/null) &&
	    [ "$(curl -s "$url/status.html")" = ok ]; do
		i=$((i + 1))
		kill -0 $pid 2>/dev/null && [ $i -le 300 ] ||
		    die "wharfd is not ready"
		sleep 0.1
	done
	[ "$(stat -c %U /proc/$pid)" = wharf ] || die "not user wharf"
}

stop() {
	wharfctl stop || die "wharfctl stop"
	wait "$pid" || die "wharfd ended with $?"
	pid=
}

get() { [ "$(curl -s "$url/hustdb/get?key=k")" = "$1" ] || die "get: not $1"; }

# A program outside finds header and library, and the node.
client() {
	cat >"$tmp/client.c" <<-'END'
	#include <string.h>
	#include <wharf.h>

	int
	main(void)
	{
		struct wharf		*w;
		struct wharf_answer	 a;

		if (wharf_connect(&w, "/run/wharf", NULL) != WHARF_OK ||
		    wharf_put(w, "c", 1, "two", 3, NULL, NULL) != WHARF_OK ||
		    wharf_get(w, "c", 1, &a) != WHARF_OK ||
		    a.length != 3 || memcmp(a.value, "two", 3) != 0)
			return 1;
		wharf_close(w);
		return 0;
	}
	END
	# shellcheck disable=SC2046 # a list
	cc -Wall -Werror -o "$tmp/client" "$tmp/client.c" \
	    $(pkg-config --cflags --libs wharf) >"$tmp/client.log" 2>&1 ||
	    die "a program with libwharf does not build"
	setpriv --reuid=wharf --regid=wharf --init-groups "$tmp/client" ||
	    die "a program with libwharf does not run"
}

say "build"
copy_source
build
say "install"
install_all
dpkg -L $pkgs | sort -u >"$tmp/files"
wharfd -t >/dev/null || die "wharfd -t"
for m in wharfd.8 wharfctl.8 wharf.conf.5 libwharf.3; do
	grep -q "/usr/share/man/man.*/$m.gz" "$tmp/files" || die "no $m"
done
start
client
curl -s -d one "$url/hustdb/put?key=k" >/dev/null
get one
wharfctl status >"$tmp/status.log" || die "wharfctl status"
wharfctl reload || die "wharfctl reload"
stop

say "upgrade, remove, install again: the data stays"
install_all
start
get one
stop
dpkg -r wharf >>"$tmp/dpkg.log" 2>&1 || die "dpkg -r"
[ -e /etc/wharf.conf ] && [ -e /var/lib/wharf/NODE ] || die "removed too much"
[ ! -e /usr/bin/wharfd ] || die "removed too little"
install_all
start
get one
stop

say "purge"
dpkg -P $pkgs >>"$tmp/dpkg.log" 2>&1 || die "dpkg -P"
! grep -i 'warning.*wharf' "$tmp/dpkg.log" || die "dpkg warns"
left=$(grep -E '/.*wharf' "$tmp/files" | while read -r f; do
	[ ! -e "$f" ] || echo "$f"
done
find /etc /run /var -xdev -name '*wharf*' ! -path '*/apt/*' \
    ! -path "$tmp*" 2>/dev/null || true)
[ -z "$left" ] || die "left behind: $left"
getent passwd wharf >/dev/null || die "the user is gone"
say "passed"
