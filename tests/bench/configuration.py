#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""configuration.py FOLDER SUBSYSTEMS NAMESPACES PORTS TARGETS: writes one configuration for each of those who are measured: SUBSYSTEMS with
NAMESPACES each, all served on each of PORTS, and iSCSI TARGETS with one LUN and one ACL each.

FOLDER gets nvmetctl.json, nvmetcli.json, targetctl.json, and make and remove, lists of kernel calls for the floor (tests/bench/floor.c).
The same objects with the same values stand in all of them; FOLDER/files gets the files behind them, each 64 KiB that take no room.
"""
import json
import os
import sys

NQN = "nqn.2026-11.org.example"
IQN = "iqn.2026-11.org.example"


class Namespace:
    def __init__(self, folder, subsystem, nsid):
        self.nsid = nsid
        self.backend = f"n{subsystem}-{nsid}"
        self.path = f"{folder}/files/{self.backend}"
        self.uuid = f"00000000-0000-4000-8000-{subsystem:08x}{nsid:04x}"
        self.nguid = f"00000000-0000-4000-8200-{subsystem:08x}{nsid:04x}"


class Subsystem:
    def __init__(self, folder, number, namespaces):
        self.nqn = f"{NQN}:s{number}"
        self.serial = f"serial{number}"
        self.namespaces = [Namespace(folder, number, nsid) for nsid in range(1, namespaces + 1)]


class Port:
    def __init__(self, number):
        self.number = number
        self.address = {"trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1", "trsvcid": str(4419 + number)}


class Target:
    portal = "127.0.0.1:3260"

    def __init__(self, folder, number):
        self.iqn = f"{IQN}:t{number}"
        self.initiator = f"{IQN}:i{number}"
        self.backend = f"t{number}"
        self.path = f"{folder}/files/{self.backend}"
        self.storage = f"fileio_{number}/{self.backend}"
        self.uuid = f"{number:08x}-0000-4000-8001-000000000000"
        self.rtpi = number + 1


def for_nvmetctl(subsystems, ports, targets):
    backends = {n.backend: {"type": "file", "path": n.path, "uuid": n.uuid, "nguid": n.nguid} for s in subsystems for n in s.namespaces}
    backends |= {t.backend: {"type": "file", "path": t.path, "uuid": t.uuid, "block_size": 512, "storage_object": t.storage} for t in targets}
    return {
        "version": 1,
        "backends": backends,
        "subsystems": {s.nqn: {
            "allow_any_host": True, "serial": s.serial, "namespaces": {str(n.nsid): {"backend": n.backend} for n in s.namespaces},
        } for s in subsystems},
        "ports": {str(p.number): p.address | {"subsystems": [s.nqn for s in subsystems]} for p in ports},
        "targets": {"iscsi": {t.iqn: {"tpgs": {"1": {
            "authentication": False, "rtpi": t.rtpi,
            "portals": {t.portal: {}},
            "luns": {"0": {"backend": t.backend}},
            "acls": {t.initiator: {"mapped_luns": {"0": {"lun": 0}}}},
        }}} for t in targets}} if targets else {},
    }


def for_nvmetcli(subsystems, ports):
    return {
        "hosts": [],
        "ports": [{"portid": p.number, "addr": p.address, "referrals": [], "subsystems": [s.nqn for s in subsystems]} for p in ports],
        "subsystems": [{
            "nqn": s.nqn, "allowed_hosts": [], "attr": {"allow_any_host": "1", "serial": s.serial},
            "namespaces": [{"nsid": n.nsid, "enable": 1, "device": {"path": n.path, "uuid": n.uuid, "nguid": n.nguid}} for n in s.namespaces],
        } for s in subsystems],
    }


def for_targetctl(targets):
    return {
        "fabric_modules": [],
        "storage_objects": [{
            "plugin": "fileio", "name": t.backend, "dev": t.path, "size": 65536, "wwn": t.uuid, "write_back": False, "attributes": {"block_size": 512},
        } for t in targets],
        "targets": [{"fabric": "iscsi", "wwn": t.iqn, "tpgs": [{
            "tag": 1, "enable": True, "attributes": {"authentication": 0},
            "portals": [{"ip_address": "127.0.0.1", "port": 3260, "iser": False, "offload": False}],
            "luns": [{"index": 0, "storage_object": f"/backstores/fileio/{t.backend}", "alias": t.backend}],
            "node_acls": [{"node_wwn": t.initiator, "mapped_luns": [{"index": 0, "tpg_lun": 0, "write_protect": False, "alias": "lun"}]}],
        }]} for t in targets],
    }


def make_nvme(subsystems, ports):
    for p in ports:
        port = f"nvmet/ports/{p.number}"
        yield [f"mkdir {port}"] + [f"write {port}/addr_{name} {value}" for name, value in p.address.items()]
    for s in subsystems:
        subsystem = f"nvmet/subsystems/{s.nqn}"
        chain = [f"mkdir {subsystem}", f"write {subsystem}/attr_allow_any_host 1", f"write {subsystem}/attr_serial {s.serial}"]
        for n in s.namespaces:
            namespace = f"{subsystem}/namespaces/{n.nsid}"
            chain += [f"mkdir {namespace}", f"write {namespace}/device_path {n.path}", f"write {namespace}/device_uuid {n.uuid}",
                      f"write {namespace}/device_nguid {n.nguid}", f"write {namespace}/enable 1"]
        yield chain
    yield ["barrier"]
    for s in subsystems:
        yield [f"link nvmet/subsystems/{s.nqn} nvmet/ports/{p.number}/subsystems/{s.nqn}" for p in ports]


def remove_nvme(subsystems, ports):
    for s in subsystems:
        yield [f"unlink nvmet/ports/{p.number}/subsystems/{s.nqn}" for p in ports]
    yield ["barrier"]
    for s in subsystems:
        for n in s.namespaces:
            yield [f"rmdir nvmet/subsystems/{s.nqn}/namespaces/{n.nsid}"]
    yield ["barrier"]
    for s in subsystems:
        yield [f"rmdir nvmet/subsystems/{s.nqn}"]
    for p in ports:
        yield [f"rmdir nvmet/ports/{p.number}"]


def make_scsi(targets):
    yield ["mkdir target/iscsi"]
    yield ["barrier"]
    for t in targets:
        storage, tpg = f"target/core/{t.storage}", f"target/iscsi/{t.iqn}/tpgt_1"
        yield [
            f"mkdir {os.path.dirname(storage)}", f"mkdir {storage}",
            f"write {storage}/control fd_dev_name={t.path}", f"write {storage}/control fd_dev_size=65536",
            f"write {storage}/wwn/vpd_unit_serial {t.uuid}", f"write {storage}/enable 1", f"write {storage}/attrib/block_size 512",
            f"mkdir target/iscsi/{t.iqn}", f"mkdir {tpg}", f"write {tpg}/rtpi {t.rtpi}", f"write {tpg}/attrib/authentication 0",
            f"mkdir {tpg}/lun/lun_0", f"link {storage} {tpg}/lun/lun_0/{t.backend}",
            f"mkdir {tpg}/np/{t.portal}",
            f"mkdir {tpg}/acls/{t.initiator}", f"mkdir {tpg}/acls/{t.initiator}/lun_0",
            f"link {tpg}/lun/lun_0 {tpg}/acls/{t.initiator}/lun_0/lun",
            f"write {tpg}/enable 1",
        ]


def remove_scsi(targets):
    for t in targets:
        storage, tpg = f"target/core/{t.storage}", f"target/iscsi/{t.iqn}/tpgt_1"
        yield [
            f"write {tpg}/enable 0",
            f"unlink {tpg}/acls/{t.initiator}/lun_0/lun", f"rmdir {tpg}/acls/{t.initiator}/lun_0", f"rmdir {tpg}/acls/{t.initiator}",
            f"unlink {tpg}/lun/lun_0/{t.backend}", f"rmdir {tpg}/lun/lun_0",
            f"rmdir {tpg}/np/{t.portal}", f"rmdir {tpg}", f"rmdir target/iscsi/{t.iqn}",
            f"rmdir {storage}", f"rmdir {os.path.dirname(storage)}",
        ]
    yield ["barrier"]
    yield ["rmdir target/iscsi"]


def write_chains(path, chains):
    with open(path, "w", encoding="ascii") as file:
        file.write("\n\n".join("\n".join(chain) for chain in chains) + "\n")


def main():
    folder = sys.argv[1]
    subsystem_count, namespace_count, port_count, target_count = map(int, sys.argv[2:])
    subsystems = [Subsystem(folder, i, namespace_count) for i in range(subsystem_count)]
    ports = [Port(i) for i in range(1, port_count + 1)]
    targets = [Target(folder, i) for i in range(target_count)]
    os.makedirs(f"{folder}/files", exist_ok=True)
    for backing in [n for s in subsystems for n in s.namespaces] + targets:
        with open(backing.path, "wb") as file:
            file.truncate(65536)
    for name, document in (("nvmetctl", for_nvmetctl(subsystems, ports, targets)), ("nvmetcli", for_nvmetcli(subsystems, ports)),
                           ("targetctl", for_targetctl(targets))):
        with open(f"{folder}/{name}.json", "w", encoding="ascii") as file:
            json.dump(document, file)
    make, remove = [make_nvme(subsystems, ports)] if subsystems else [], [remove_nvme(subsystems, ports)] if subsystems else []
    if targets:
        make.append(make_scsi(targets))
        remove.append(remove_scsi(targets))
    for name, parts in (("make", make), ("remove", remove)):
        write_chains(f"{folder}/{name}", [chain for part in parts for chain in part])


main()
