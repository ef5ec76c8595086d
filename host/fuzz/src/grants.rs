//! What `[grant]` of a route file says, from the host.

mod table;

pub use table::{
    DirectoryAccess, DirectoryEntry, GrantTable, HttpEntry, SettingEntry, SettingSource, StoreEntry, is_secret_name,
};
