# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Packages: finds the machine's own Debian mirror and keyring, keeps an apt state of its own in the cache, and chooses
# the kernels to build for. Sourced after lib.sh.

suite=trixie
apt_conf=$cache/apt/apt.conf

# Prints "URI<tab>KEYRING" for every source of Debian main that the machine's apt configuration names, deb822 files and
# one-line files alike. KEYRING may be empty; a key written inline is put into a file of its own.
debian_sources() {
	local file inline=$cache/apt/inline-key
	mkdir -p "$cache/apt"
	for file in /etc/apt/sources.list.d/*.sources; do
		[[ -r $file ]] || continue
		awk -v inline="$inline" '
			function flush_stanza(   i, n, u) {
				if (f["types"] ~ /(^|[ \t])deb([ \t]|$)/ && f["components"] ~ /(^|[ \t])main([ \t]|$)/ &&
				    f["suites"] !~ /security/ && tolower(f["enabled"]) !~ /^(no|false|0)$/) {
					key = f["signed-by"]
					if (key ~ /BEGIN PGP/) {
						file = inline "." ++count ".asc"
						printf "%s", key > file; close(file); key = file
					}
					n = split(f["uris"], u, /[ \t\n]+/)
					for (i = 1; i <= n; i++) if (u[i] != "") print u[i] "\t" key
				}
				delete f; name = ""
			}
			/^#/ { next }
			/^[ \t]*$/ { flush_stanza(); next }
			/^[ \t]/ { line = $0; sub(/^[ \t]+/, "", line); if (line == ".") line = ""
				   f[name] = f[name] (f[name] == "" ? "" : "\n") line; next }
			{ i = index($0, ":"); name = tolower(substr($0, 1, i - 1)); value = substr($0, i + 1)
			  sub(/^[ \t]+/, "", value); sub(/[ \t]+$/, "", value); f[name] = value }
			END { flush_stanza() }' "$file"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ -r $file ]] || continue
		awk '
			$1 == "deb" {
				key = ""; i = 2
				if ($2 ~ /^\[/) {
					for (; i <= NF; i++) {
						option = $i; gsub(/[][]/, "", option)
						if (option ~ /^signed-by=/) key = substr(option, 11)
						if ($i ~ /\]$/) { i++; break }
					}
				}
				if ($(i + 1) ~ /security/) next
				for (c = i + 2; c <= NF; c++) if ($c == "main") print $i "\t" key
			}' "$file"
	done
}

# The transport settings of the machine's apt (proxies, time-outs, date checks): what reaches the mirror for apt must
# also do so here. Hooks and everything else of the machine's configuration stay out.
apt_transport_settings() {
	apt-config dump 2>/dev/null |
		grep -E '^Acquire::((http|https|ftp)::.*|Check-Valid-Until|Check-Date|Retries|ForceIPv4|ForceIPv6) ' || true
}

# write_apt_config URI KEYRING
write_apt_config() {
	local uri=$1 key=$2 option=
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/apt/state"
	if [[ -z $key ]]; then
		for key in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg} ''; do
			[[ ! -e $key ]] || break
		done
	fi
	[[ -z $key ]] || option="[signed-by=$key] "
	printf 'deb %s%s %s main\n' "$option" "$uri" "$suite" "$option" "$uri" "$suite-backports" >"$cache/apt/sources.list"
	{
		cat <<-CONF
			Dir::Etc::main "/dev/null";
			Dir::Etc::parts "/dev/null";
			Dir::Etc::preferences "/dev/null";
			Dir::Etc::preferencesparts "/dev/null";
			Dir::Etc::sourcelist "$cache/apt/sources.list";
			Dir::Etc::sourceparts "/dev/null";
			Dir::State "$cache/apt/state";
			Dir::State::lists "$cache/apt/lists";
			Dir::State::status "$cache/apt/status";
			Dir::Cache "$cache/apt/cache";
			APT::Sandbox::User "";
			APT::Architecture "amd64";
			APT::Architectures "amd64";
			Acquire::Languages "none";
			Acquire::Retries "3";
		CONF
		apt_transport_settings
	} >"$apt_conf"
	: >"$cache/apt/status"
}

# Finds a mirror that serves the suite and its backports, and fetches their package lists.
apt_update() {
	local uri key tried=
	while IFS=$'\t' read -r uri key; do
		[[ " $tried " != *" $uri "* ]] || continue
		tried+=" $uri"
		write_apt_config "$uri" "$key"
		if APT_CONFIG=$apt_conf apt-get -qq update >"$cache/apt/update.log" 2>&1; then
			return
		fi
	done < <(
		[[ -z ${DST_MIRROR:-} ]] || printf '%s\t\n' "$DST_MIRROR"
		debian_sources
	)
	[[ ! -s $cache/apt/update.log ]] || tail -n 5 "$cache/apt/update.log" >&2
	die "this machine's apt configuration names no reachable Debian mirror that serves $suite and $suite-backports" \
		"(tried:${tried:- none}); add one under /etc/apt/sources.list.d or set DST_MIRROR"
}

apt_query() { APT_CONFIG=$apt_conf apt-cache "$@"; }

# Prints "RELEASE VERSION SERIES" of every kernel of which source, headers, modules and image exist at one version, the
# oldest first.
complete_kernels() {
	local release version series package
	apt_query pkgnames linux-binary-unsigned- | sed -n 's/^linux-binary-unsigned-\(.*+deb[0-9]*-amd64\)$/\1/p' |
		sort -V | while read -r release; do
		[[ $release != *-rt-* && $release != *-cloud-* ]] || continue
		version=$(apt_query show "linux-binary-unsigned-$release" | sed -n 's/^Version: //p' | sort -V | tail -n 1)
		series=$(cut -d. -f1,2 <<<"$release")
		for package in "linux-headers-$release" "linux-modules-$release" "linux-source-$series"; do
			grep -qFx "Version: $version" <<<"$(apt_query show "$package" 2>/dev/null)" || continue 2
		done
		echo "$release $version $series"
	done
}

# Prints the release that the metapackage linux-image-amd64 of backports brings.
metapackage_release() {
	apt_query show linux-image-amd64 | awk '
		$1 == "Version:" { backport = $2 ~ /~bpo/ }
		$1 == "Depends:" && backport && match($0, /linux-image-[0-9][^ ,]*/) {
			print substr($0, RSTART + 12, RLENGTH - 12) }' | sort -V | tail -n 1
}

# Chooses the kernels and records the choice, so that later runs need neither the network nor a decision.
#   stock  what everything is built for and tested on: the newest of the series 7.3, else the newest of all
#   meta   what the metapackage linux-image-amd64 of the backports brings, and so what an administrator gets; often
#          the same
resolve_kernels() {
	local all stock meta wanted date
	all=$(complete_kernels)
	[[ -n $all ]] || die "no kernel in $suite-backports has source, headers, modules and image at one version" \
		"at the moment; try again when the mirror has settled"
	stock=$(awk '$3 == "7.3"' <<<"$all" | tail -n 1)
	stock=${stock:-$(tail -n 1 <<<"$all")}
	wanted=$(metapackage_release)
	meta=$(awk -v r="$wanted" '$1 == r' <<<"$all")
	meta=${meta:-$stock}
	date=$(sed -n 's/^Date: //p' "$cache"/apt/lists/*_dists_"$suite"_*Release | head -n 1)
	{
		echo "# The kernels that were chosen on $(date -u +%F). 'make update' chooses anew."
		read -r release version series <<<"$stock"
		printf 'STOCK_RELEASE=%s\nSTOCK_VERSION=%s\nSTOCK_SERIES=%s\n' "$release" "$version" "$series"
		read -r release version series <<<"$meta"
		printf 'META_RELEASE=%s\nMETA_VERSION=%s\nMETA_SERIES=%s\n' "$release" "$version" "$series"
		printf 'METAPACKAGE_RELEASE=%q\nSUITE_DATE=%q\n' "$wanted" "$date"
	} >"$cache/kernels.env.new"
	mv "$cache/kernels.env.new" "$cache/kernels.env"
}

# download FOLDER PACKAGE=VERSION...: fetches packages, checked against the signed lists, and skips those that are there.
download() {
	local folder=$1 item package
	local -a missing=()
	shift
	mkdir -p "$folder"
	for item; do
		package=${item%%=*}
		compgen -G "$folder/${package}_*.deb" >/dev/null || missing+=("$item")
	done
	((${#missing[@]})) || return 0
	remove_tree "$folder/partial"
	mkdir -p "$folder/partial"
	[[ -e $apt_conf ]] || apt_update
	if ! (cd "$folder/partial" && APT_CONFIG=$apt_conf apt-get -qq download "${missing[@]}"); then
		apt_update
		(cd "$folder/partial" && APT_CONFIG=$apt_conf apt-get -qq download "${missing[@]}") ||
			die "the mirror no longer has ${missing[*]}; 'make update' chooses kernels that it has"
	fi
	mv "$folder"/partial/*.deb "$folder/"
	rmdir "$folder/partial"
}
