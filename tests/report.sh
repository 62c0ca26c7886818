# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Counting and showing results. Sourced by run.

passed=0 failed=0 skipped=0
failures=()

# seconds_since MICROSECONDS: the time that has passed, with one digit after the point.
seconds_since() {
	local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
	echo $((tenths / 10)).$((tenths % 10))
}

# report_pass NAME SECONDS [quiet]
report_pass() {
	passed=$((passed + 1))
	[[ ${3:-} == quiet ]] || echo "ok $1 # $2 s"
}

# report_count NAME PASSED SKIPPED SECONDS: many tests at once.
report_count() {
	passed=$((passed + $2))
	skipped=$((skipped + $3))
	echo "ok $1 # $2 tests, $4 s"
}

# report_skip NAME REASON [quiet]
report_skip() {
	skipped=$((skipped + 1))
	[[ ${3:-} == quiet ]] || echo "ok $1 # SKIP $2"
}

# report_fail NAME SECONDS REASON LOG: with the end of the log.
report_fail() {
	failed=$((failed + 1))
	failures+=("$1: $3")
	echo "not ok $1 # $2 s: $3"
	if [[ -s $4 ]]; then
		tail -n 60 "$4" | sed 's/^/    | /'
		echo "    | (whole log: $4)"
	fi
}

# The closing lines; false unless something passed and nothing failed.
report_end() {
	local line
	for line in "${failures[@]}"; do echo "failed: $line"; done
	echo "$passed passed, $failed failed, $skipped skipped"
	((passed > 0 && failed == 0))
}
