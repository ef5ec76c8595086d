//! How much memory this process may use: that of the machine, or less if a control group limits it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The result if the memory of the machine is not known.
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

/// The memory of the machine in bytes, from the text of `/proc/meminfo`.
pub(super) fn of_machine(lines: &str) -> Option<u64> {
    let line = lines.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The lowest limit of this process's control group and of those above it, in bytes. It is `None` if there is no limit.
/// `groups` is the text of `/proc/self/cgroup`, of version 1 or 2.
pub(super) fn of_groups(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, files): (_, &[&str]) = match controllers {
            // The system slows down the processes of a group that exceeds `memory.high`.
            "" => ("/sys/fs/cgroup", &["memory.max", "memory.high"]),
            of_version_1 if of_version_1.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", &["memory.limit_in_bytes"])
            }
            _ => return None,
        };
        // In a container, the name of the group may be that outside of the container, while its files are at the root.
        let group = PathBuf::from(group.trim_start_matches('/'));
        let above = group.ancestors().map(|group| Path::new(root).join(group));
        let limits = above.flat_map(|directory| files.iter().map(move |file| directory.join(file)));
        // Without a limit, the value is `max` in version 2, and a number larger than any machine's memory in version 1.
        limits.filter_map(|file| read(&file)?.trim().parse().ok()).min()
    });
    limits.min()
}
