//! The declaration of a route, as constant bytes of the component. `describe` returns their address.
//!
//! Follows the layout that the canonical ABI gives to the record `declaration` of `wit/world.wit` (component model,
//! "Canonical ABI", sections "Alignment" and "Element Size"). Nothing is allocated or copied, so a declaration adds
//! neither code nor the imports that printing a failed allocation needs.

use core::marker::PhantomData;

/// The record `declaration`: paths, methods and options, as the attribute has them.
#[repr(C)]
#[derive(Debug)]
pub struct Declaration {
    /// The path patterns. Empty if the path follows from the file's place.
    pub paths: List<Text>,
    /// The methods. Empty for every method.
    pub methods: List<Text>,
    /// The options by name, in the attribute's order.
    pub options: List<Entry>,
}

/// An option: a `tuple<string, value>`.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// The name.
    pub name: Text,
    /// The value.
    pub value: Value,
}

/// The variant `value`. `repr(C, u8)` places the discriminant and the cases as the canonical ABI does.
#[repr(C, u8)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the cases are those of `crate::Value`")]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Text),
    Booleans(List<bool>),
    Integers(List<i64>),
    Floats(List<f64>),
    Texts(List<Text>),
}

/// A `string`, which has the layout of a list of its bytes.
pub type Text = List<u8>;

/// A `list`: the address of its elements, and their number.
#[repr(C)]
#[derive(Debug)]
pub struct List<T: 'static> {
    first: *const T,
    length: usize,
    elements: PhantomData<&'static [T]>,
}

impl<T> List<T> {
    /// A list of these elements.
    #[must_use]
    pub const fn of(elements: &'static [T]) -> Self {
        Self { first: elements.as_ptr(), length: elements.len(), elements: PhantomData }
    }
}

impl Text {
    /// A string.
    #[must_use]
    pub const fn of_str(text: &'static str) -> Self {
        Self::of(text.as_bytes())
    }
}

// Sizes and offsets of the canonical ABI with 32-bit pointers.
#[cfg(target_arch = "wasm32")]
const _: () = {
    assert!(size_of::<Text>() == 8);
    assert!(size_of::<Value>() == 16 && align_of::<Value>() == 8);
    assert!(size_of::<Entry>() == 24 && core::mem::offset_of!(Entry, value) == 8);
    assert!(size_of::<Declaration>() == 24 && core::mem::offset_of!(Declaration, options) == 16);
};
