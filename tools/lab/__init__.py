"""The lab: hosts for the demo, for Molecule and for benchmarks, made from an inventory.

A host is a container that boots systemd under podman, with an address and a name of its own, reached by SSH as an
unprivileged user with sudo. What an inventory says is what is made; nothing is described twice.

Variables that all hosts share:
    lab_name     names containers, network and volumes (`sq-<lab_name>-…`) and the directory `.lab/<lab_name>/`,
                 which holds the SSH key, the known hosts, an ssh_config that uses both, and the lab's own notes.
    lab_subnet   a network inside 198.18.0.0/15 (set aside for benchmarks, routed nowhere); one for each lab.
Variables of a host:
    ansible_host      its address.
    lab_image         suite of Debian: bookworm (the default) or trixie.
    lab_java          false removes the Java that images carry (default true).
    lab_volumes       ["shared:/shared"]: volumes of the lab, the same in every host that names them.
    lab_tmpfs         ["/srv/small:size=16m"]: a small disk, empty again after a reboot.
    lab_capabilities  more Linux capabilities, beside those that root has on an ordinary host.
    lab_devices       ["/dev/fuse"]: devices of the machine.

Standard library only: it runs before anything is installed. It needs root, since rootless podman gives hosts no
addresses that the machine can reach.
"""
