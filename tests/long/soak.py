#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# soak.py SECONDS SEED FOLDER: three clients make, use and take away objects of their own by the command line, at random, rightly and wrongly,
# while a fourth hand spoils things: it kills the daemon, suspends disks, takes an address and a disk away and gives them back, fills the disk that
# the journal is on. Now and then all of them pause; then nothing may be owed or run, what configfs holds is what the document says, and when the
# clients have taken their objects away it is, to the byte, what it was at first. What the daemon has of memory and descriptors is printed
# each time; in the second half it is not killed any more, so that it would be seen to grow. What each command ended with, and what was
# spoilt, is in $NVMETCTL_SHARE/soak.commands.
#
# soak.bats makes the machine ready for it: dm devices /dev/dm-0 to 2, the base configuration, FOLDER, a small file system for the state.

import json, os, random, re, subprocess, sys, threading, time

NVMET, TARGET = '/sys/kernel/config/nvmet', '/sys/kernel/config/target'
NQN, IQN = 'nqn.2026-11.org.example', 'iqn.2026-11.org.example'
MACHINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'machine')
CLIENTS = 3

problems = []
counts = {}
lock = threading.Lock()
spoiling = 0    # how many things are spoilt now
spoilt = 0      # how many were, ever
history = open(os.path.join(os.environ.get('NVMETCTL_SHARE') or sys.argv[3], 'soak.commands'), 'w')
began = time.monotonic()


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1


def note(who, text):
    with lock:
        print('%8.2f %s: %s' % (time.monotonic() - began, who, text.rstrip()), file=history, flush=True)


def problem(text):
    note('PROBLEM', text)
    with lock:
        problems.append(text)
    print('PROBLEM:', text, flush=True)


def run(*command):
    p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return p.returncode, p.stdout.decode(errors='replace')


def nvmetctl(*words):
    return run('nvmetctl', *words)


def must(*command):
    status, text = run(*command)
    if status:
        raise RuntimeError('%s: status %d: %s' % (' '.join(command), status, text))
    return text


def read(path):
    try:
        with open(path, 'rb') as f:
            return f.read().decode(errors='replace').strip('\0\n ')
    except OSError as e:
        return '(%s)' % e.strerror


# As it is wanted: nothing of what somebody else might have made.
def document():
    d = json.loads(must('nvmetctl', 'save', '-'))
    d.pop('generation', None)
    return d


# ---- what configfs holds, by nobody's word ----

# Counters, what can only be written, who is logged in and what was agreed with him, numbers that count objects since the kernel started.
VOLATILE = re.compile(r'statistics|/action$|/dynamic_sessions$|/acls/[^/]*/(param|info)$|/address$|/res_pr_generation$|/revalidate_size$|'
                      r'/hba_info$|/core/[^/]*/[^/]*/info$')


def dump():
    lines = []
    for root in NVMET, TARGET:
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(folders + files):
                path = folder + '/' + name
                if VOLATILE.search(path):
                    continue
                if os.path.islink(path):
                    lines.append('%s -> %s' % (path, os.readlink(path)))
                elif os.path.isdir(path):
                    lines.append(path + '/')
                else:
                    lines.append('%s (%o): %s' % (path, os.stat(path).st_mode & 0o777, read(path)))
    return lines


def names(folder):
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()


def folders(folder):
    return {n for n in names(folder) if os.path.isdir(folder + '/' + n) and not os.path.islink(folder + '/' + n)}


def links(folder):
    return {n for n in names(folder) if os.path.islink(folder + '/' + n)}


def compare(what, wanted, found):
    if set(wanted) != set(found):
        problem('%s: wanted %s, in the kernel %s' % (what, sorted(wanted), sorted(found)))


def storage_of(lun):
    return {os.path.basename(os.readlink(lun + '/' + n)) for n in links(lun)}


def compare_iscsi(targets):
    compare('targets', targets, {n for n in folders(TARGET + '/iscsi') if n != 'discovery_auth'})
    for iqn, t in targets.items():
        below = '%s/iscsi/%s' % (TARGET, iqn)
        compare(below, {'tpgt_' + tag for tag in t['tpgs']}, {n for n in folders(below) if n.startswith('tpgt_')})
        for tag, tpg in t['tpgs'].items():
            at = '%s/tpgt_%s' % (below, tag)
            compare(at + '/np', tpg.get('portals', {}), folders(at + '/np'))
            compare(at + '/lun', {'lun_' + n for n in tpg.get('luns', {})}, folders(at + '/lun'))
            compare(at + '/acls', tpg.get('acls', {}), folders(at + '/acls'))
            for n, lun in tpg.get('luns', {}).items():
                compare('%s/lun/lun_%s' % (at, n), {lun['backend']}, storage_of('%s/lun/lun_%s' % (at, n)))
            for name, acl in tpg.get('acls', {}).items():
                compare('%s/acls/%s' % (at, name), {'lun_' + n for n in acl.get('mapped_luns', {})},
                        {n for n in folders('%s/acls/%s' % (at, name)) if n.startswith('lun_')})


def compare_model():
    d = document()
    shared = {l['backend'] for t in d.get('targets', {}).get('iscsi', {}).values() for tpg in t['tpgs'].values() for l in tpg.get('luns', {}).values()}
    shared |= {n for n, b in d.get('backends', {}).items() if b['type'] == 'ramdisk'}
    stored = {o for hba in folders(TARGET + '/core') if hba != 'alua' for o in folders('%s/core/%s' % (TARGET, hba))}
    compare('storage objects', shared, stored)
    compare('hosts', d.get('hosts', {}), folders(NVMET + '/hosts'))
    compare('subsystems', d.get('subsystems', {}), folders(NVMET + '/subsystems'))
    compare('ports', d.get('ports', {}), folders(NVMET + '/ports'))
    for nqn, s in d.get('subsystems', {}).items():
        at = '%s/subsystems/%s' % (NVMET, nqn)
        compare(at + '/namespaces', s.get('namespaces', {}), folders(at + '/namespaces'))
        compare(at + '/allowed_hosts', s.get('allowed_hosts', []), links(at + '/allowed_hosts'))
        compare(at + '/attr_allow_any_host', {str(int(s.get('allow_any_host', False)))}, {read(at + '/attr_allow_any_host')})
        for nsid, ns in s.get('namespaces', {}).items():
            b = d['backends'][ns['backend']]
            device = read('%s/namespaces/%s/device_path' % (at, nsid))
            compare('%s/namespaces/%s/enable' % (at, nsid), {str(int(ns.get('enable', True)))}, {read('%s/namespaces/%s/enable' % (at, nsid))})
            if ns['backend'] not in shared and device != b.get('device', b.get('path')):
                problem('%s: namespace %s has device %s' % (at, nsid, device))
            if ns['backend'] in shared and not device.startswith('/dev/sd'):
                problem('%s: namespace %s has device %s instead of a bridge' % (at, nsid, device))
    for number, p in d.get('ports', {}).items():
        at = '%s/ports/%s' % (NVMET, number)
        compare(at + '/subsystems', p.get('subsystems', []), links(at + '/subsystems'))
        compare(at + '/addr_traddr', {p['traddr']}, {read(at + '/addr_traddr')})
    compare_iscsi({n: t for n, t in d.get('targets', {}).get('iscsi', {}).items() if isinstance(t, dict) and 'tpgs' in t})


# ---- the daemon, from outside ----

def daemon_pid():
    return int(read('/run/nvmetd.pid'))


def daemon_figures():
    pid = daemon_pid()
    memory = int(re.search(r'VmRSS:\s+(\d+)', read('/proc/%d/status' % pid)).group(1))
    workers = len(run('pgrep', '^nvmetd')[1].split())
    return pid, memory, len(os.listdir('/proc/%d/fd' % pid)), workers


# ---- clients ----

class Client(threading.Thread):
    def __init__(self, number, seed, folder, gate):
        super().__init__(daemon=True)
        self.number, self.random, self.folder, self.gate = number, random.Random(seed * 100 + number), folder, gate
        self.me = 'w%d-' % number
        self.disk = '/dev/dm-%d' % number
        self.backends, self.subsystems, self.targets, self.hosts = {}, {}, {}, set()
        self.made = 0

    # What there is, after something of which the outcome is not known.
    def look(self):
        for _ in range(600):
            try:
                d = document()
                break
            except (RuntimeError, ValueError):
                time.sleep(0.2)
        else:
            problem('the daemon does not answer any more')
            return
        self.backends = {n for n in d.get('backends', {}) if n.startswith(self.me)}
        self.hosts = {n for n in d.get('hosts', {}) if n.startswith('%s:%s' % (NQN, self.me))}
        self.subsystems = {n: {k: v['backend'] for k, v in s.get('namespaces', {}).items()}
                           for n, s in d.get('subsystems', {}).items() if n.startswith('%s:%s' % (NQN, self.me))}
        self.targets = {n: {l['backend'] for tpg in t['tpgs'].values() for l in tpg.get('luns', {}).values()}
                        for n, t in d.get('targets', {}).get('iscsi', {}).items() if n.startswith('%s:%s' % (IQN, self.me))}

    def fresh(self, prefix):
        self.made += 1
        return '%s%s%d' % (prefix, self.me, self.made)

    def used(self):
        return {b for s in self.subsystems.values() for b in s.values()} | {b for t in self.targets.values() for b in t}

    def pick(self, what):
        what = sorted(what)
        return self.random.choice(what) if what else None

    # Each returns the words of a command, or None when there is nothing to do it with.
    def make_backend(self):
        name = self.fresh('')
        kind = self.random.choice(['ramdisk', 'file', 'block'])
        if len(self.backends) > 6 or (kind == 'block' and any(b.endswith('-disk') for b in self.backends)):
            return None
        if kind == 'ramdisk':
            return ['create', 'backends/' + name, 'type=ramdisk', 'size=1MiB']
        if kind == 'file':
            return ['create', 'backends/' + name, 'type=file', 'path=%s/%s' % (self.folder, name), 'size=1MiB', 'create=true']
        return ['create', 'backends/%s-disk' % name, 'type=block', 'device=' + self.disk]

    def drop_backend(self):
        name = self.pick(self.backends - self.used())
        return name and ['delete', 'backends/' + name, '--destroy']

    def make_host(self):
        return ['create', 'hosts/' + self.fresh(NQN + ':')] if len(self.hosts) < 4 else None

    def make_subsystem(self):
        if len(self.subsystems) > 4:
            return None
        nqn = self.fresh(NQN + ':')
        who = self.pick(self.hosts)
        words = ['create', 'subsystems/' + nqn, 'allowed_hosts=' + who if who else 'allow_any_host=true']
        free = sorted(self.backends - self.used())
        self.random.shuffle(free)
        for nsid, b in enumerate(free[:2]):
            words += ['create', 'subsystems/%s/namespaces/%d' % (nqn, nsid + 1), 'backend=' + b]
        return words + (['set', 'ports/%d' % self.random.randint(1, 2), 'subsystems+=' + nqn] if self.random.random() < 0.8 else [])

    def drop_subsystem(self):
        nqn = self.pick(self.subsystems)
        return nqn and ['delete', 'subsystems/' + nqn, '--recursive', '--disrupt']

    def make_namespace(self):
        nqn, b = self.pick(self.subsystems), self.pick(self.backends - self.used())
        if not nqn or not b:
            return None
        nsid = min(set(map(str, range(1, 20))) - set(self.subsystems[nqn]), key=int)
        return ['create', 'subsystems/%s/namespaces/%s' % (nqn, nsid), 'backend=' + b]

    def drop_namespace(self):
        nqn = self.pick(n for n, s in self.subsystems.items() if s)
        return nqn and ['delete', 'subsystems/%s/namespaces/%s' % (nqn, self.pick(self.subsystems[nqn])), '--disrupt']

    def switch_namespace(self):
        nqn = self.pick(n for n, s in self.subsystems.items() if s)
        return nqn and ['set', 'subsystems/%s/namespaces/%s' % (nqn, self.pick(self.subsystems[nqn])),
                        'enable=' + self.random.choice(['true', 'false']), '--disrupt']

    def let_in(self):
        nqn, host = self.pick(self.subsystems), self.pick(self.hosts)
        return nqn and host and ['set', 'subsystems/' + nqn, 'allow_any_host=false', 'allowed_hosts+=' + host]

    def make_target(self):
        if len(self.targets) > 2:
            return None
        iqn, b = self.fresh(IQN + ':'), self.pick(self.backends)
        at = 'targets/iscsi/%s/tpgs/1' % iqn
        words = ['create', 'targets/iscsi/' + iqn, 'create', at, 'authentication=false', 'create', '%s/portals/127.0.0.1:%d' % (at, 10000 + self.made % 1000 + 1000 * self.number)]
        if b:
            words += ['create', at + '/luns/0', 'backend=' + b, 'create', '%s/acls/%s:c' % (at, IQN),
                      'create', '%s/acls/%s:c/mapped_luns/0' % (at, IQN), 'lun=0']
        return words + ['--disrupt']

    def drop_target(self):
        iqn = self.pick(self.targets)
        return iqn and ['delete', 'targets/iscsi/' + iqn, '--recursive', '--disrupt']

    def look_around(self):
        return self.random.choice([['show'], ['status'], ['jobs'], ['history'], ['show', 'ports'], ['capabilities'], ['show', '--json']])

    def save(self):
        return ['save', '%s/saved-%d' % (self.folder, self.number)]

    def merge(self):
        name = self.fresh('')
        path = '%s/merge-%d' % (self.folder, self.number)
        with open(path, 'w') as f:
            json.dump({'version': 1, 'backends': {name: {'type': 'ramdisk', 'size': '1MiB'}},
                       'subsystems': {'%s:%s' % (NQN, name): {'allow_any_host': True, 'namespaces': {'1': {'backend': name}}}}}, f)
        return ['apply', '--merge', path] if len(self.subsystems) < 5 else None

    def plan_only(self):
        path = '%s/merge-%d' % (self.folder, self.number)
        with open(path, 'w') as f:
            json.dump({'version': 1, 'hosts': {self.fresh(NQN + ':'): {}}}, f)
        return ['apply', '--merge', '--dry-run', path]

    def wrong(self):
        some = self.pick(self.subsystems) or NQN + ':base'
        used = self.pick(self.used()) or 'base0'
        path = '%s/wrong-%d' % (self.folder, self.number)
        with open(path, 'wb') as f:
            f.write(self.random.choice([b'', b'{', b'{"version":1,"ports":{"1":{"nothing":1}}}', b'{"version":9}', self.random.randbytes(200),
                                        b'{"version":1,"subsystems":{"nqn.2026-11.org.example:x":{"namespaces":{"1":{"backend":"none"}}}}}']))
        return self.random.choice([
            ['create', 'subsystems/' + some], ['create', 'subsystems/no-nqn'], ['set', 'subsystems/' + some, 'nothing=1'],
            ['set', 'subsystems/' + some, 'cntlid_min=99999'], ['create', 'subsystems/%s/namespaces/0' % some, 'backend=base0'],
            ['create', 'subsystems/%s/namespaces/19' % some, 'backend=none'], ['delete', 'backends/' + used],
            ['create', 'backends/x', 'type=block', 'device=/dev/none', 'create', 'subsystems/%s/namespaces/18' % some, 'backend=x'],
            ['create', 'ports/9', 'trtype=tcp', 'traddr=203.0.113.7', 'subsystems=' + some],
            ['create', 'ports/1', 'trtype=loop'], ['set', 'ports/1', 'traddr=not-an-address'], ['delete', 'hosts/%s:nobody' % NQN],
            ['create', 'targets/iscsi/%s:x/tpgs/1/luns/0' % IQN, 'backend=base0'], ['set', 'backends/base0', 'size=1'],
            ['check', path], ['apply', path], ['apply', '--merge', '--generation', '1', path], ['apply', path + '.none'],
            ['rollback', '999999'], ['no-verb'], ['create'], ['set', '../../etc', 'a=b'],
            ['create', 'backends/' + self.me + 'bad', 'type=file', 'path=/proc/none/x', 'size=1MiB', 'create=true',
             'create', 'subsystems/%s/namespaces/17' % some, 'backend=' + self.me + 'bad'],
        ])

    right = [make_backend, make_backend, drop_backend, make_host, make_subsystem, make_subsystem, drop_subsystem, make_namespace,
             drop_namespace, switch_namespace, let_in, make_target, drop_target, look_around, save, merge, plan_only]

    def step(self):
        bad = self.random.random() < 0.25
        what = self.wrong if bad else self.random.choice(self.right).__get__(self)
        words = what()
        if not words:
            return
        before = spoilt, spoiling
        status, text = nvmetctl(*words)
        quiet = before == (spoilt, 0) and spoiling == 0
        note(self.me, '%s%s: %d %s' % ('' if quiet else '(spoilt) ', ' '.join(words), status, text if status else ''))
        if 'the way back failed' in text:
            problem('%s: %s' % (' '.join(words), text))
        count('%s: %d' % ('wrong' if bad else 'right', status))
        # 4: what is owed for a moment, or what somebody else left; that it is no more at the end is looked at when all pause.
        if quiet and bad and status not in (1, 2, 3, 7):
            problem('%s: status %d: %s' % (' '.join(words), status, text))
        if quiet and not bad and status not in (0, 4):
            problem('%s: status %d: %s' % (' '.join(words), status, text))
        if bad and text and words[0] != 'check' and not text.startswith(('nvmetctl: ', 'Usage')) and status in (1, 3, 7):
            problem('%s: says: %s' % (' '.join(words), text))
        if quiet and status == 0 and not bad and words[0] in ('create', 'set', 'delete'):
            self.remember(words)
        elif not (quiet and bad):
            self.look()

    def remember(self, words):
        """What a command that was done has made or taken away, so that nobody has to be asked."""
        verb, path = '', []
        for before, word in zip([''] + words, words):
            if before in ('create', 'set', 'delete'):
                verb, path = before, word.split('/')
                if verb != 'set':
                    self.remember_path(verb, path)
            elif word.startswith('backend=') and 'namespaces' in path:
                self.subsystems[path[1]][path[3]] = word[8:]
            elif word.startswith('backend='):
                self.targets[path[2]].add(word[8:])

    def remember_path(self, verb, path):
        if path[0] == 'targets':
            known, name, empty = self.targets, path[2], set()
        elif path[0] == 'subsystems':
            known, name, empty = self.subsystems, path[1], {}
        else:
            known, name, empty = self.backends if path[0] == 'backends' else self.hosts, path[1], None
        if verb == 'delete' and path[2:3] == ['namespaces']:
            del known[name][path[3]]
        elif verb == 'delete' and empty is None:
            known.discard(name)
        elif verb == 'delete':
            del known[name]
        elif verb == 'create' and empty is None:
            known.add(name)
        elif verb == 'create':
            known.setdefault(name, empty)

    def run(self):
        self.look()
        while self.gate.pass_through():
            try:
                self.step()
            except Exception as e:
                problem('client %d: %r' % (self.number, e))

    def take_all_away(self):
        self.look()
        mine = ['targets/iscsi/' + n for n in self.targets] + ['subsystems/' + n for n in self.subsystems]
        mine += ['backends/' + n for n in self.backends] + ['hosts/' + n for n in self.hosts]
        if mine:
            words = [w for path in mine for w in ('delete', path)]
            status, text = nvmetctl(*words, '--disrupt', '--destroy', '--recursive')
            note(self.me, '%s: %d %s' % (' '.join(words), status, text))
            if status not in (0, 4):
                problem('%s: status %d: %s' % (' '.join(words), status, text))
        self.look()
        for name in os.listdir(self.folder):
            if name.startswith(self.me):
                os.unlink('%s/%s' % (self.folder, name))


class Gate:
    """Where everybody waits while things are looked at."""
    def __init__(self, users):
        self.users, self.waiting, self.shut, self.over = users, 0, False, False
        self.changed = threading.Condition()

    def pass_through(self):
        with self.changed:
            self.waiting += 1
            self.changed.notify_all()
            while self.shut:
                self.changed.wait()
            self.waiting -= 1
            return not self.over

    def close(self):
        with self.changed:
            self.shut = True
            while self.waiting < self.users:
                self.changed.wait()

    def open(self, over=False):
        with self.changed:
            self.shut, self.over = False, over
            self.changed.notify_all()


# ---- what goes wrong ----

class Spoiler(threading.Thread):
    def __init__(self, seed, folder, gate):
        super().__init__(daemon=True)
        self.random, self.folder, self.gate, self.may_kill = random.Random(seed * 100 + 99), folder, gate, True

    def kill(self):
        if not self.may_kill:
            return False
        run(MACHINE + '/daemon', 'kill')
        time.sleep(self.random.random())
        must(MACHINE + '/daemon', 'start')

    def suspend(self):
        name = 'soak%d' % self.random.randrange(CLIENTS)
        must('dmsetup', 'suspend', '--noflush', name)
        time.sleep(self.random.uniform(0.5, 4))
        must('dmsetup', 'resume', name)

    def address(self):
        must('ip', 'address', 'del', '192.0.2.1/24', 'dev', 'd0')
        time.sleep(self.random.uniform(0.1, 3))
        must('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'd0')

    def full_disk(self):
        filler = '/var/lib/nvmetctl/filler'
        run('dd', 'if=/dev/zero', 'of=' + filler, 'bs=4k')
        time.sleep(self.random.uniform(0.5, 3))
        os.unlink(filler)

    def disk(self):
        where = [h for h in os.listdir('/sys/class/scsi_host') if read('/sys/class/scsi_host/%s/proc_name' % h) == 'scsi_debug'][0]
        old = os.path.realpath('/dev/soak-disk')
        exported = self.random.random() < 0.5
        if not exported:
            must('nvmetctl', 'delete', 'subsystems/%s:base/namespaces/7' % NQN, '--disrupt')
        with open('/sys/block/%s/device/delete' % os.path.basename(old), 'w') as f:
            f.write('1')
        os.unlink('/dev/soak-disk')
        if exported:
            status, text = nvmetctl('delete', 'subsystems/%s:base/namespaces/7' % NQN, '--disrupt')
            if status not in (0, 4):
                problem('a namespace without its disk is not deleted: status %d: %s' % (status, text))
        status, text = nvmetctl('create', 'subsystems/%s:base/namespaces/7' % NQN, 'backend=disk')
        if status != 1 or '/dev/soak-disk does not exist' not in text:
            problem('a namespace whose disk is not there: status %d: %s' % (status, text))
        with open('/sys/class/scsi_host/%s/scan' % where, 'w') as f:
            f.write('- - -')
        for _ in range(100):
            found = [d for d in os.listdir('/sys/block') if read('/sys/block/%s/device/model' % d) == 'scsi_debug']
            if found and os.path.exists('/dev/' + found[0]):
                break
            time.sleep(0.1)
        os.symlink('/dev/' + found[0], '/dev/soak-disk')
        must('nvmetctl', 'create', 'subsystems/%s:base/namespaces/7' % NQN, 'backend=disk')

    def run(self):
        global spoiling, spoilt
        ways = [self.kill, self.kill, self.suspend, self.address, self.full_disk, self.disk]
        while self.gate.pass_through():
            time.sleep(self.random.uniform(1, 6))
            way = self.random.choice(ways)
            spoiling += 1
            spoilt += 1
            note('fault', way.__name__)
            try:
                if way() is not False:
                    count('fault: ' + way.__name__)
            except Exception as e:
                problem('fault %s: %r' % (way.__name__, e))
            # What it did to those who were at work shows when their commands end, which counts as spoilt by spoilt.
            spoilt += 1
            spoiling -= 1
            note('fault', way.__name__ + ' is over')


# ---- now and then ----

def settled():
    """No job runs, nothing is owed or drifts; by the daemon's word, beside what is looked at in configfs."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        status, text = nvmetctl('status', '--verify')
        jobs = json.loads(must('nvmetctl', 'jobs', '--json'))
        if status == 0 and all(j.get('outcome') for j in jobs):
            return
        time.sleep(0.5)
    problem('it does not settle: status %d: %s' % (status, text))


def pause(gate, clients, first):
    gate.close()
    settled()
    compare_model()
    for c in clients:
        c.take_all_away()
    settled()
    now = dump()
    if now != first:
        gone, come = sorted(set(first) - set(now)), sorted(set(now) - set(first))
        problem('configfs is not what it was; gone: %s; come: %s' % (gone[:20], come[:20]))
    figures = daemon_figures()
    print('after %4d s: daemon %d has %d kB, %d descriptors, %d processes; done so far: %s' %
          ((time.monotonic() - began,) + figures + (json.dumps(counts, sort_keys=True),)), flush=True)
    return figures


def main():
    seconds, seed, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    gate = Gate(CLIENTS + 1)
    clients = [Client(n, seed, folder, gate) for n in range(CLIENTS)]
    spoiler = Spoiler(seed, folder, gate)
    first = dump()
    base = document()
    figures = []
    for t in clients + [spoiler]:
        t.start()
    while time.monotonic() - began < seconds:
        time.sleep(min(120, max(30, seconds / 12)))
        spoiler.may_kill = time.monotonic() - began < seconds / 2
        figures.append(pause(gate, clients, first))
        if len(problems) > 20:
            break
        gate.open(over=time.monotonic() - began >= seconds)
    gate.open(over=True)
    if document() != base:
        problem('the document is not what it was')
    same = [f for f in figures if f[0] == figures[-1][0]]
    # The first after the last start still warms up.
    if len(same) >= 3:
        (_, memory, fds, n), (_, memory_then, fds_then, n_then) = same[1], same[-1]
        print('from the second look at daemon %d to the last, %d looks: %d to %d kB, %d to %d descriptors' %
              (same[0][0], len(same), memory, memory_then, fds, fds_then))
        if memory_then > memory * 1.1 + 512:
            problem('the daemon has grown')
        if fds_then - n_then > fds - n + 2:
            problem('the daemon keeps descriptors')
    else:
        problem('the last daemon was looked at only %d times' % len(same))
    print('seed %d: %d commands, %d faults, %d problems' % (seed, sum(v for k, v in counts.items() if not k.startswith('fault')),
                                                           sum(v for k, v in counts.items() if k.startswith('fault')), len(problems)))
    sys.exit(1 if problems else 0)


main()
