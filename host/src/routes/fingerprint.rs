//! How a component and its route file look to their source, without being read.

/// The version of a component and its route file. As long as it stays the same, so do their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// `None` if there is no component.
    pub(super) component: Option<Stamp>,
    /// `None` if there is no route file.
    pub(super) route_file: Option<Stamp>,
}

/// The version of one file, or of what a source has in place of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The bytes that it has.
    pub(super) length: u64,
    /// The same for the same contents, wherever they are: for a file its device, inode and time of modification. A digest
    /// of 32 bytes has room.
    pub(super) contents: [u64; 4],
    /// Changes when anything else about it changes that decides whether and how it is read: for a file, the time of that.
    pub(super) status: [u64; 2],
}

impl Fingerprint {
    /// That of a component that is not there, nor anything beside it.
    pub(super) const GONE: Self = Self { component: None, route_file: None };

    /// The bytes of the component; 0 if there is none.
    pub(super) fn length(self) -> u64 {
        self.component.map_or(0, |stamp| stamp.length)
    }

    /// Whether there is no component.
    pub(super) fn is_gone(self) -> bool {
        self.component.is_none()
    }

    /// Whether there is a route file.
    pub(super) fn has_route_file(self) -> bool {
        self.route_file.is_some()
    }

    /// Whether the component has the same contents as another one, wherever both are.
    pub(super) fn is_same_component(self, other: Self) -> bool {
        let contents = |it: Self| it.component.map(|stamp| (stamp.length, stamp.contents));
        contents(self).is_some() && contents(self) == contents(other)
    }

    /// One that differs from those of other numbers.
    #[cfg(test)]
    pub(crate) fn numbered(number: u64) -> Self {
        Self { component: Some(Stamp { length: number, contents: [0; 4], status: [0; 2] }), route_file: None }
    }
}
