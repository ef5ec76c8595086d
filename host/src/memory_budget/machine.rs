//! How much memory the machine has, or what of it the control group of this process may use.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What is taken for half of a machine that does not say what it has.
const UNKNOWN: usize = 1024 * 1024 * 1024;

/// Half of what this process may use of the machine's memory, in bytes.
#[must_use]
pub fn half_of_the_machine() -> usize {
    static HALF: LazyLock<usize> = LazyLock::new(|| {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let groups = read(Path::new("/proc/self/cgroup")).and_then(|groups| of_groups(&groups, read));
        let machine = read(Path::new("/proc/meminfo")).and_then(|lines| of_machine(&lines));
        let bytes = groups.into_iter().chain(machine).min();
        bytes.map_or(UNKNOWN, |bytes| usize::try_from(bytes / 2).unwrap_or(usize::MAX))
    });
    *HALF
}

/// The memory of the machine, in the words of `/proc/meminfo`.
pub(super) fn of_machine(lines: &str) -> Option<u64> {
    let line = lines.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The least that a control group of this process, or one above it, may use; none where no group has a limit. `groups` are
/// in the words of `/proc/self/cgroup`, for version 2 and version 1.
pub(super) fn of_groups(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, files): (_, &[&str]) = match controllers {
            // Past `memory.high` the processes of a group are slowed down.
            "" => ("/sys/fs/cgroup", &["memory.max", "memory.high"]),
            of_version_1 if of_version_1.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", &["memory.limit_in_bytes"])
            }
            _ => return None,
        };
        // In a container the group may be named as the machine sees it, and its files be at the root.
        let group = PathBuf::from(group.trim_start_matches('/'));
        let above = group.ancestors().map(|group| Path::new(root).join(group));
        let limits = above.flat_map(|directory| files.iter().map(move |file| directory.join(file)));
        // Without a limit version 2 says `max`, and version 1 a number that is larger than any machine.
        limits.filter_map(|file| read(&file)?.trim().parse().ok()).min()
    });
    limits.min()
}
