#!/bin/sh
# automake test driver for scripts whose output is to be seen while they run:
# as build-aux/test-driver, but the log goes to the terminal as well.
name= log= trs= expect=no
while [ $# -gt 0 ]; do
	case $1 in
	--test-name) name=$2; shift 2 ;;
	--log-file) log=$2; shift 2 ;;
	--trs-file) trs=$2; shift 2 ;;
	--expect-failure) expect=$2; shift 2 ;;
	--color-tests|--enable-hard-errors|--collect-skipped-logs) shift 2 ;;
	--) shift; break ;;
	*) break ;;
	esac
done
if [ -z "$log" ] || [ -z "$trs" ]; then
	echo "driver.sh: --log-file and --trs-file are needed" >&2
	exit 2
fi

status=$(mktemp) || exit 2
trap 'rm -f "$status"' EXIT
trap 'exit 130' HUP INT TERM
{ "$@" 2>&1; echo $? >"$status"; } | tee "$log"
code=$(cat "$status")

case $expect:$code in
*:77) result=SKIP ;;
no:0) result=PASS ;;
no:*) result=FAIL ;;
yes:0) result=XPASS ;;
*) result=XFAIL ;;
esac
case $result in FAIL|XPASS) again=yes ;; *) again=no ;; esac
echo "$result: $name"
{
	echo ":test-result: $result"
	echo ":global-test-result: $result"
	echo ":recheck: $again"
	echo ":copy-in-global-log: $again"
} >"$trs"
