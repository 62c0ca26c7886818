# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# How a guest is put together: one function that turns a description into QEMU's command line, used by vm (one guest,
# one command) and machines.sh (several guests on one network). Sourced after lib.sh and artefacts.sh.

# emulator: fills the array emulator with the command that starts QEMU from its own root on the host's files: with that
# root's program loader and libraries, in no namespace, so that it sees every folder that a guest shares.
emulator() {
	local root
	root=$(emulator_root)
	[[ -d $root ]] || die "there is no emulator yet: run 'make setup' first"
	emulator=("$root/usr/lib64/ld-linux-x86-64.so.2" --argv0 qemu-system-x86_64
		--library-path "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/qemu-system-x86_64"
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios")
}

# kvm_works: true where a guest really boots under KVM. The device file alone proves nothing: it also exists on machines
# without hardware virtualisation. The answer is kept until the next boot of the host.
kvm_works() {
	local boot answer=$cache/kvm-probe dir release=$STOCK_RELEASE
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 1
	grep -qwE 'vmx|svm' /proc/cpuinfo || return 1
	boot=$(cat /proc/sys/kernel/random/boot_id)
	if [[ ! -e $answer || $(cut -d' ' -f1 "$answer") != "$boot" ]]; then
		dir=$(mktemp -d)
		emulator
		timeout 30 "${emulator[@]}" -accel kvm -cpu host -m 512M -nodefaults -no-reboot -display none \
			-serial "file:$dir/console" -kernel "$(kernel_image "$release")/vmlinuz" \
			-initrd "$(initramfs "$release")/initramfs.gz" \
			-append 'console=ttyS0 quiet panic=-1 dst.probe' >/dev/null 2>&1 </dev/null || true
		if grep -qs 'accelerator probe succeeded' "$dir/console"; then
			echo "$boot works" >"$answer"
		else
			echo "$boot fails" >"$answer"
		fi
		rm -r "$dir"
	fi
	grep -q works "$answer"
}

# The description of one guest; guest_defaults starts a new one.
guest_defaults() {
	guest_serial='' guest_name=guest guest_kernel=stock guest_mem=1G guest_cpus=2 guest_append=''
	guest_disks=() guest_nets=() guest_shares=() guest_writable=() guest_extra=() guest_icount=0
}

# guest_option OPTION VALUE: takes one option of the description; false if it is none.
#   --disk SIZE|FILE[,QEMU-DRIVE-OPTION...]   a virtio disk: a sparse file of that size, or the given file
#   --net SOCKET[,MAC]                        a network card on the hub that listens on the unix socket
#   --share TAG=DIR                           DIR, read-only, as /share/TAG
#   --share-rw TAG=DIR                        DIR, writable and never cached in the guest, as /share/TAG
guest_option() {
	case $1 in
	--name) guest_name=$2 ;;
	--kernel) guest_kernel=$2 ;;
	--mem) guest_mem=$2 ;;
	--cpus) guest_cpus=$2 ;;
	--append) guest_append+=" $2" ;;
	--disk) guest_disks+=("$2") ;;
	--net) guest_nets+=("$2") ;;
	--share) guest_shares+=("$2") ;;
	--share-rw) guest_writable+=("$2") ;;
	--qemu) guest_extra+=("$2") ;;
	*) return 1 ;;
	esac
}

# guest_command RUN: fills the array qemu with the command that boots the described guest. RUN is the folder that the
# guest may write to.
guest_command() {
	local run=$1 release image tag dir item i shares=run:rw,modules path options
	release=$(kernel_release "$guest_kernel")
	# Without ACPI's table of interrupts, which an emulated machine under KASAN interprets for minutes, and without
	# 5-level paging, with which an interrupt inside identify_cpu() looks like a wild access.
	! is_debug "$release" || guest_append+=' pci=noacpi no5lvl'
	image=$(kernel_image "$release")
	[[ -e $image/vmlinuz && -d $(initramfs "$release") ]] ||
		die "the kernel $release is not prepared: run 'make setup' (scripts/setup $guest_kernel)"
	emulator
	qemu=("${emulator[@]}" -name "$guest_name" -m "$guest_mem" -smp "$guest_cpus" -nodefaults -no-reboot -display none
		-kernel "$image/vmlinuz" -initrd "$(initramfs "$release")/initramfs.gz"
		-serial "${guest_serial:-file:$run/console.log}" -device virtio-serial-pci)
	if ((guest_icount)); then
		# The guest's clock counts instructions, one a nanosecond, and jumps over what it would sleep.
		qemu+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -rtc "base=2026-01-01,clock=vm" -seed 1
			-cpu "max,-erms,-fsrm")
	elif kvm_works; then
		qemu+=(-accel kvm -cpu host)
	else
		# Without the fast string instructions, which TCG makes slow.
		qemu+=(-accel "tcg,thread=multi" -cpu "max,-erms,-fsrm")
	fi
	guest_share root "$(guest_root)" on
	guest_share run "$run" off
	guest_share modules "$image/modules" on
	mkdir -p "$top/build"
	guest_share build "$top/build" on
	guest_share src "$top" on
	shares+=,build,src
	for item in "${guest_shares[@]}"; do
		tag=${item%%=*} dir=${item#*=}
		guest_share "$tag" "$(realpath "$dir")" on
		shares+=,$tag
	done
	for item in "${guest_writable[@]}"; do
		tag=${item%%=*} dir=${item#*=}
		guest_share "$tag" "$(realpath "$dir")" off
		shares+=,$tag:rw
	done
	i=0
	for item in "${guest_disks[@]}"; do
		path=${item%%,*} options=
		[[ $item != *,* ]] || options=,${item#*,}
		if [[ $path =~ ^[0-9]+[kKMGT]?$ ]]; then
			truncate -s "$path" "$run/disk$i.raw"
			path=$run/disk$i.raw
		fi
		qemu+=(-drive "if=none,id=disk$i,format=raw,discard=unmap,file=$path$options"
			-device "virtio-blk-pci,drive=disk$i,serial=disk$i")
		i=$((i + 1))
	done
	i=0
	for item in "${guest_nets[@]}"; do
		path=${item%%,*} options=
		[[ $item != *,* ]] || options=,mac=${item#*,}
		qemu+=(-netdev "stream,id=net$i,server=off,addr.type=unix,addr.path=$path"
			-device "virtio-net-pci,netdev=net$i,romfile=$options")
		i=$((i + 1))
	done
	# The check of the timer counts interrupts in a short busy wait, which fails where the host is busier than the guest.
	qemu+=(-append "console=ttyS0 quiet loglevel=4 panic=-1 no_timer_check nokaslr norandmaps mitigations=off \
random.trust_cpu=on dst.name=$guest_name dst.shares=$shares$guest_append" "${guest_extra[@]}")
}

guest_share() {
	qemu+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap,readonly=$3"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}
