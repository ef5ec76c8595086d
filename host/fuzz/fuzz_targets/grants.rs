//! `[grant]` of a route file: no text panics, what is read has the bounds that it has to have, and every mistake has a line of
//! the file.

#![no_main]

use host_fuzz::file::read_grant;
use host_fuzz::grants::{GrantTable, SettingEntry, SettingSource, is_secret_name};
use libfuzzer_sys::fuzz_target;

const MAX_ENTRIES: usize = 128;

fn check_settings(settings: &[SettingEntry], lines: usize) {
    assert!(settings.len() <= MAX_ENTRIES && settings.is_sorted_by(|one, other| one.name < other.name));
    for SettingEntry { line, name, source } in settings {
        assert!((1..=lines).contains(line));
        assert!((1..=256).contains(&name.len()) && !name.contains(['=', '\0', '\n']));
        match source {
            SettingSource::Text(text) => assert!(!text.contains('\0')),
            SettingSource::Variable(name) => assert!(!name.is_empty() && !name.contains(['=', '\0'])),
            SettingSource::Secret(name) => {
                assert!(is_secret_name(name) && !name.contains('/') && !name.starts_with('.'));
            }
        }
    }
}

fn check(grant: &GrantTable, lines: usize) {
    check_settings(&grant.config, lines);
    check_settings(&grant.environment, lines);
    assert!(grant.files.len() <= MAX_ENTRIES && grant.stores.len() <= MAX_ENTRIES);
    for directory in &grant.files {
        assert!((1..=lines).contains(&directory.line) && directory.path.is_absolute());
        assert!(directory.guest_path.starts_with('/'));
        assert!(!directory.guest_path.split('/').any(|segment| matches!(segment, "." | "..")));
    }
    for store in &grant.stores {
        assert!((1..=lines).contains(&store.line) && store.name.len() <= 256);
        assert!((1..=128).contains(&store.store.len()) && !store.store.contains('\0'));
    }
    if let Some(http) = &grant.http {
        assert!((1..=lines).contains(&http.line));
        assert!((1..=MAX_ENTRIES).contains(&http.patterns.len()) && http.limits.private.len() <= MAX_ENTRIES);
        assert!((1..=10_000).contains(&http.limits.concurrency) && (1..=10_000).contains(&http.limits.connections));
        for time in [http.limits.connect_timeout, http.limits.first_byte_timeout, http.limits.between_bytes_timeout] {
            assert!((0.001..=3600.0).contains(&time.as_secs_f64()));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    match read_grant(text) {
        None => {}
        Some(Ok(grant)) => check(&grant, lines),
        Some(Err(mistakes)) => {
            assert!(!mistakes.is_empty() && mistakes.is_sorted_by_key(|mistake| mistake.line));
            for mistake in mistakes {
                assert!((1..=lines).contains(&mistake.line), "{mistake:?}");
                assert!(!mistake.error.to_string().contains(char::is_control), "{mistake:?}");
            }
        }
    }
});
