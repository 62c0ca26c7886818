# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The artefacts that set-up makes, each with its name (a function that prints the path) and its recipe (ensure_*, which
# makes it when it is missing). Sourced after lib.sh; the recipes also need apt.sh.

recipes=$top/scripts

tool_root() {
	echo "$cache/tool-$(content_key "$SUITE_DATE" "$(packages_of tool)" "$(declare -f make_root)")"
}
guest_root() {
	echo "$cache/guest-$(content_key "$SUITE_DATE" "$(packages_of guest)" "$(declare -f make_root)")"
}
emulator_root() {
	echo "$cache/emulator-$(content_key "$SUITE_DATE" "$(packages_of emulator)" "$(declare -f make_root)")"
}
# kernel_tree RELEASE: sources with configuration and Rust metadata in linux/, as modules are built against. The
# compilers' versions follow from the date of the suite.
kernel_tree() {
	local key
	! is_debug "$1" || { debug_kernel "$1"; return; }
	key=$(content_key "$1" "$SUITE_DATE" "$(declare -f make_kernel_tree)" -- "$recipes/prepare-kernel-headers")
	echo "$cache/kernel-tree-$1-$key"
}
# kernel_image RELEASE: vmlinuz, and the modules as they lie in /usr/lib/modules.
kernel_image() {
	! is_debug "$1" || { debug_kernel "$1"; return; }
	echo "$cache/kernel-image-$1-$(content_key "$1" "$(declare -f make_kernel_image)")"
}
# initramfs RELEASE: the folder that holds initramfs.gz.
initramfs() {
	local key
	key=$(content_key "$(kernel_image "$1")" "$(guest_root)" "$(declare -f make_initramfs)" -- \
		"$recipes/guest/init" "$recipes/guest/start")
	echo "$cache/initramfs-$1-$key"
}

# debug_kernel RELEASE: the stock sources as a kernel that checks itself, built with LLVM. It stands for a kernel_image
# (vmlinuz, modules) and for a kernel_tree (linux/) of the release that "debug" is, or "kcsan", which looks for data
# races instead: KASAN and KCSAN exclude each other.
is_debug() { [[ $1 == *-debug || $1 == *-kcsan ]]; }
llvm_root() {
	echo "$cache/llvm-$(content_key "$SUITE_DATE" "$(packages_of llvm)" "$(declare -f make_root)")"
}
debug_kernel() {
	local kind=${1##*-} inputs=("$recipes/packages/llvm.list") key
	[[ $kind != kcsan ]] || inputs+=("$top/tests/debug/kcsan-sources")
	key=$(content_key "$STOCK_RELEASE" "$SUITE_DATE" "$(declare -f make_debug_kernel)" "$(debug_config "$kind")" \
		-- "${inputs[@]}")
	echo "$cache/kernel-$kind-$STOCK_RELEASE-$key"
}

# um_kernel RELEASE: the same sources as a user-mode kernel, linux/linux, with what its modules are built against.
um_kernel() {
	local key
	key=$(content_key "$1" "$SUITE_DATE" "$(declare -f make_um_kernel)" -- "$top/tests/soak/uml.config")
	echo "$cache/kernel-um-$1-$key"
}

packages_of() { sed '/^#/d; /^$/d' "$top/scripts/packages/$1.list"; }

# make_root FOLDER LIST: a small system with the packages of LIST. It travels as a tar stream so that every file belongs
# to whoever runs this, also where mmdebstrap works in a user namespace.
make_root() {
	local folder=$1 list=$2 mode=root include
	local -a options=()
	[[ -e $apt_conf ]] || apt_update
	is_root || mode=unshare
	include=$(packages_of "$list" | paste -sd,)
	mapfile -t options < <(apt_transport_settings | sed 's/^/--aptopt=/')
	mmdebstrap --mode="$mode" --variant=apt --format=tar --include="$include" "${options[@]}" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"$suite" - "$(head -n 1 "$cache/apt/sources.list")" |
		tar -C "$folder" --exclude='./dev/*' -xf -
	mkdir -p "$folder/share" "$folder/usr/lib/modules"
	# A guest mounts its own over it.
	: >"$folder/etc/hosts"
}
ensure_tool_root() { make_once "$(tool_root)" make_root tool; prune "$cache/tool" "$(tool_root)"; }
ensure_emulator_root() { make_once "$(emulator_root)" make_root emulator; prune "$cache/emulator" "$(emulator_root)"; }
ensure_guest_root() { make_once "$(guest_root)" make_root guest; prune "$cache/guest" "$(guest_root)"; }

# version_of RELEASE: the package version that was chosen for it.
version_of() {
	if [[ $1 == "$STOCK_RELEASE" ]]; then echo "$STOCK_VERSION"; else echo "$META_VERSION"; fi
}

make_kernel_tree() {
	local folder=$1 release=$2 series
	local -a prepare
	series=$(cut -d. -f1,2 <<<"$release")
	(
		hold_lock "packages-$release"
		download "$cache/packages/$release" {linux-source-"$series",linux-headers-"$release"}="$(version_of "$release")"
	)
	mkdir "$folder/packages"
	dpkg-deb -x "$cache/packages/$release/linux-source-$series"_*.deb "$folder/packages"
	dpkg-deb -x "$cache/packages/$release/linux-headers-$release"_*.deb "$folder/packages"
	prepare=("$recipes/prepare-kernel-headers" --source "$folder/packages/usr/src/linux-source-$series.tar.xz"
		--headers "$folder/packages/usr/src/linux-headers-$release" --output "$folder/linux" "$release")
	# Unpacking needs no tool root, which may still be in the making.
	"${prepare[@]}" --unpack-only
	ensure_tool_root
	"$recipes/in-root" --bind "$top" "${prepare[@]}"
	remove_tree "$folder/packages"
}
ensure_kernel_tree() { make_once "$(kernel_tree "$1")" make_kernel_tree "$1"; prune "$cache/kernel-tree-$1" "$(kernel_tree "$1")"; }

make_um_kernel() {
	local folder=$1 release=$2 series
	series=$(cut -d. -f1,2 <<<"$release")
	(
		hold_lock "packages-$release"
		download "$cache/packages/$release" linux-source-"$series"="$(version_of "$release")"
	)
	mkdir "$folder/packages" "$folder/linux"
	dpkg-deb -x "$cache/packages/$release/linux-source-$series"_*.deb "$folder/packages"
	tar -C "$folder/linux" --strip-components=1 --no-same-owner \
		-xf "$folder/packages/usr/src/linux-source-$series.tar.xz"
	remove_tree "$folder/packages"
	ensure_tool_root
	"$recipes/in-root" --bind "$top" --chdir "$folder/linux" bash -euc '
		make -s ARCH=um defconfig mod2noconfig
		cat "$1" >>.config
		make -s ARCH=um olddefconfig
		! grep "^CONFIG_" "$1" | grep -vxF -f .config || { echo "ARCH=um cannot have the options above" >&2; exit 1; }
		make -s ARCH=um -j"$(nproc)" linux modules
	' bash "$top/tests/soak/uml.config"
}
ensure_um_kernel() { make_once "$(um_kernel "$1")" make_um_kernel "$1"; prune "$cache/kernel-um-$1" "$(um_kernel "$1")"; }

# debug_config KIND: the whole configuration of the kernel "debug" or "kcsan". What the latter's file says of an option
# counts, and there "=n" takes the other's line away.
debug_config() {
	local configs=("$top/tests/debug/debug.config")
	[[ $1 == debug ]] || configs=("$top/tests/debug/$1.config" "${configs[@]}")
	awk -F= -v last="${#configs[@]}" '
		FNR == 1 { file++ }
		!/^CONFIG_/ || $1 in own { next }
		file < last { own[$1] }
		$2 != "n" { print }
		$2 == "n" && file == last { print "# " $1 " is not set" }
	' "${configs[@]}"
}
# make_debug_kernel FOLDER KIND
make_debug_kernel() {
	local folder=$1 kind=$2 series=$STOCK_SERIES
	(
		hold_lock "packages-$STOCK_RELEASE"
		download "$cache/packages/$STOCK_RELEASE" linux-source-"$series"="$STOCK_VERSION"
	)
	mkdir "$folder/packages" "$folder/linux"
	dpkg-deb -x "$cache/packages/$STOCK_RELEASE/linux-source-$series"_*.deb "$folder/packages"
	tar -C "$folder/linux" --strip-components=1 --no-same-owner \
		-xf "$folder/packages/usr/src/linux-source-$series.tar.xz"
	remove_tree "$folder/packages"
	[[ $kind != kcsan ]] || "$top/tests/debug/kcsan-sources" "$folder/linux"
	debug_config "$kind" >"$folder/config"
	make_once "$(llvm_root)" make_root llvm
	prune "$cache/llvm" "$(llvm_root)"
	"$recipes/in-root" --root "$(llvm_root)" --chdir "$folder/linux" bash -euc '
		make -s LLVM=1 allnoconfig KCONFIG_ALLCONFIG=../config
		! grep -vxFf .config ../config || { echo "Kconfig does not accept these lines" >&2; exit 1; }
		found=$(make -s LLVM=1 kernelrelease)
		[[ $found == "$1" ]] || { echo "the kernel calls itself $found, not $1" >&2; exit 1; }
		make -s LLVM=1 -j"$(nproc)" bzImage modules
		make -s LLVM=1 INSTALL_MOD_PATH=../installed modules_install
		rm ../installed/lib/modules/*/build
		# What is linked into the kernel; a module needs the objects of the tools only.
		find . -path ./tools -prune -o -path ./scripts -prune -o \( -name "*.o" -o -name "*.a" \) -exec rm {} +
	' bash "$(kernel_release "$kind")"
	mv "$folder/installed/lib/modules" "$folder/modules"
	rm -r "$folder/installed"
	mv "$folder/linux/arch/x86/boot/bzImage" "$folder/vmlinuz"
}
# ensure_debug_kernel RELEASE
ensure_debug_kernel() {
	local kind=${1##*-}
	make_once "$(debug_kernel "$1")" make_debug_kernel "$kind"
	prune "$cache/kernel-$kind-$STOCK_RELEASE" "$(debug_kernel "$1")"
}

make_kernel_image() {
	local folder=$1 release=$2
	(
		hold_lock "packages-$release"
		download "$cache/packages/$release" \
			{linux-modules-"$release",linux-binary-unsigned-"$release"}="$(version_of "$release")"
	)
	mkdir "$folder/packages"
	dpkg-deb -x "$cache/packages/$release/linux-modules-$release"_*.deb "$folder/packages"
	dpkg-deb -x "$cache/packages/$release/linux-binary-unsigned-$release"_*.deb "$folder/packages"
	mv "$folder/packages/usr/lib/modules/$release/vmlinuz.unsigned" "$folder/vmlinuz"
	mv "$folder/packages/usr/lib/modules" "$folder/modules"
	remove_tree "$folder/packages"
	ensure_guest_root
	mkdir -p "$folder/depmod/lib"
	ln -s ../../modules "$folder/depmod/lib/modules"
	"$recipes/in-root" --root "$(guest_root)" depmod -b "$folder/depmod" "$release"
	rm -r "$folder/depmod"
}
ensure_kernel_image() { make_once "$(kernel_image "$1")" make_kernel_image "$1"; prune "$cache/kernel-image-$1" "$(kernel_image "$1")"; }

# module_closure MODULES.DEP NAME...: the files of the modules and of all they need, in the order to load them.
module_closure() {
	local dep=$1
	shift
	awk -v wanted="$*" '
		{ file = $1; sub(/:$/, "", file); name = file; sub(/.*\//, "", name); sub(/\.ko.*/, "", name)
		  gsub(/-/, "_", name); path[name] = file; needs[name] = ""
		  for (i = NF; i > 1; i--) needs[name] = needs[name] " " $i }
		END { n = split(wanted, w, " ")
		      for (i = 1; i <= n; i++) {
			      m = split(needs[w[i]], d, " ")
			      for (j = 1; j <= m; j++) if (!(d[j] in seen)) { seen[d[j]]; print d[j] }
			      p = path[w[i]]
			      if (p != "" && !(p in seen)) { seen[p]; print p } } }' "$dep"
}

make_initramfs() {
	local folder=$1 release=$2 modules file image=$1/image
	modules=$(kernel_image "$release")/modules/$release
	mkdir -p "$image"/{bin,proc,sys,dev,lib,newroot}
	cp "$(guest_root)/bin/busybox" "$image/bin/"
	install -m 755 "$recipes/guest/init" "$image/init"
	install -m 755 "$recipes/guest/start" "$image/start"
	: >"$image/lib/order"
	while read -r file; do
		case $file in
		*.xz) xz -dc "$modules/$file" ;;
		*.zst) zstd -dc "$modules/$file" ;;
		*) cat "$modules/$file" ;;
		esac >"$image/lib/$(basename "${file%.ko*}").ko"
		basename "${file%.ko*}" >>"$image/lib/order"
	done < <(module_closure "$modules/modules.dep" virtio_pci 9pnet_virtio 9p)
	(cd "$image" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$folder/initramfs.gz"
	remove_tree "$image"
}
ensure_initramfs() {
	if is_debug "$1"; then ensure_debug_kernel "$1"; else ensure_kernel_image "$1"; fi
	ensure_guest_root
	make_once "$(initramfs "$1")" make_initramfs "$1"
	prune "$cache/initramfs-$1" "$(initramfs "$1")"
}
