# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What every script here shares: the cache, messages, locks, content keys and background jobs. Sourced, never run.
#
# The cache lies outside the checkout. Everything in it is either keyed by what it was made from (and never changed
# after it has got its name) or a build folder that only its own lock holder writes to.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dst}
export DST_CACHE=$cache
# The private apt state is used by apt.sh alone; a caller's own must not leak into what is resolved here.
unset APT_CONFIG

note() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [[ $(id -u) -eq 0 ]]; }

# Prints 12 hex digits that name the content of the files and strings given (FILE arguments after --).
content_key() {
	local strings=()
	while [[ $# -gt 0 && $1 != -- ]]; do strings+=("$1"); shift; done
	[[ $# -eq 0 ]] || shift
	{
		printf '%s\0' "${strings[@]}"
		[[ $# -eq 0 ]] || cat -- "$@"
	} | sha256sum | cut -c1-12
}

# Holds the lock NAME of the cache until the calling (sub)shell ends.
hold_lock() {
	local fd
	mkdir -p "$cache/locks"
	exec {fd}>"$cache/locks/$1"
	if ! flock -n "$fd"; then
		note "waiting for another process that holds $1 ..."
		flock "$fd"
	fi
}

# remove_tree DIR...: rm -rf for trees that may hold folders without write permission.
remove_tree() {
	local dir
	for dir; do
		[[ -e $dir ]] || continue
		rm -rf -- "$dir" 2>/dev/null || { chmod -R u+rwX -- "$dir"; rm -rf -- "$dir"; }
	done
}

# make_once TARGET FUNCTION [ARG...]: makes the folder TARGET with FUNCTION, which gets an empty folder and the
# arguments. The folder gets its name only when the function has succeeded, so an interrupted run leaves nothing that
# looks complete, and of two runs at once one waits for the other.
make_once() {
	local target=$1 function=$2
	shift 2
	if [[ -d $target ]]; then
		touch "$target.used"
		return
	fi
	(
		hold_lock "${target##*/}"
		[[ ! -d $target ]] || exit 0
		remove_tree "$target.partial"
		mkdir -p "$target.partial"
		"$function" "$target.partial" "$@"
		mv -T "$target.partial" "$target"
		touch "$target.used"
	)
}

# prune PREFIX KEEP: removes what an older recipe made (same prefix, other key) when a week has passed without use.
prune() {
	local old
	for old in "$1"-*.used; do
		old=${old%.used}
		if [[ -d $old && $old != "$2" && -n $(find "$old.used" -mtime +7 2>/dev/null) ]]; then
			note "removing ${old##*/}, unused for a week"
			remove_tree "$old"
			rm -f "$old.used"
		fi
	done
}

# Background jobs with one line when each begins and ends; their output goes to a log that is shown when they fail.
declare -A job_pid=() job_log=()
jobs_total=0
jobs_begun=0

# job NAME "what it does" COMMAND...: runs COMMAND (a function will do) in a process group of its own.
job() {
	local name=$1 text=$2
	shift 2
	mkdir -p "$cache/logs"
	jobs_begun=$((jobs_begun + 1))
	job_log[$name]=$cache/logs/$name.$$.log
	if ((jobs_total)); then
		note "[$jobs_begun/$jobs_total] $text ..."
	else
		note "$text ..."
	fi
	set -m
	(
		set -euo pipefail
		trap - EXIT INT TERM
		SECONDS=0
		"$@"
		note "      $name: done in $SECONDS s" 2>&3
	) </dev/null 3>&2 >"${job_log[$name]}" 2>&1 &
	job_pid[$name]=$!
	set +m
}

# job_wait NAME...: waits for the jobs; shows the end of the log and leaves when one has failed.
job_wait() {
	local name
	for name; do
		[[ -n ${job_pid[$name]:-} ]] || continue
		if ! wait "${job_pid[$name]}"; then
			note "----- the last lines of ${job_log[$name]}"
			tail -n 25 "${job_log[$name]}" >&2
			unset "job_pid[$name]"
			die "the step '$name' failed; its whole output is in ${job_log[$name]}"
		fi
		rm -f "${job_log[$name]}"
		unset "job_pid[$name]"
	done
}

# Ends the jobs that still run; for an EXIT trap.
jobs_kill() {
	local name
	for name in "${!job_pid[@]}"; do
		kill -- "-${job_pid[$name]}" 2>/dev/null || true
	done
}

# load_kernels: reads the recorded choice of kernels (see resolve_kernels in apt.sh).
load_kernels() {
	[[ -f $cache/kernels.env ]] || die "no kernel has been chosen yet: run 'make setup' first"
	# shellcheck disable=SC1091
	. "$cache/kernels.env"
}

# kernel_release NAME: the release that 'stock', 'meta', 'debug' or 'kcsan' stands for; a release stands for itself.
kernel_release() {
	case $1 in
	stock) echo "$STOCK_RELEASE" ;;
	meta) echo "$META_RELEASE" ;;
	debug | kcsan) echo "${STOCK_RELEASE%%[+-]*}-$1" ;;
	*) echo "$1" ;;
	esac
}
