//! Plaintext to encrypt, in pieces that become one record each.

use std::io::IoSlice;

/// The most plaintext of one record.
pub(super) const MAX_PLAINTEXT: usize = 16 * 1024;

/// A slice of at least this many bytes is encrypted where it is. Shorter ones are copied into one record.
const WORTH_RECORD: usize = 4 * 1024;

/// The rest of some slices.
pub(super) struct Plaintext<'s> {
    slices: &'s [IoSlice<'s>],
    /// How much of the first slice is done.
    offset: usize,
}

impl<'s> Plaintext<'s> {
    pub(super) fn new(slices: &'s [IoSlice<'s>]) -> Self {
        Self { slices, offset: 0 }
    }

    /// The plaintext of the next record, at most `most` bytes of it. Empty if there is none left. All of it becomes one
    /// record if it fits.
    pub(super) fn next<'r>(&mut self, most: usize, gathered: &'r mut Vec<u8>) -> &'r [u8]
    where
        's: 'r,
    {
        let most = most.min(MAX_PLAINTEXT);
        self.skip_empty();
        let fits = self.left() <= most;
        gathered.clear();
        loop {
            let Some(first) = self.first() else { return gathered };
            let is_alone = gathered.is_empty() && self.slices.len() == 1;
            if !fits && first.len() >= WORTH_RECORD && !gathered.is_empty() {
                return gathered;
            }
            let piece = &first[..first.len().min(most - gathered.len())];
            self.offset += piece.len();
            self.skip_empty();
            if is_alone || (gathered.is_empty() && !fits && piece.len() >= WORTH_RECORD) {
                return piece;
            }
            gathered.extend_from_slice(piece);
            if gathered.len() == most {
                return gathered;
            }
        }
    }

    fn first(&self) -> Option<&'s [u8]> {
        let slices: &'s [IoSlice<'s>] = self.slices;
        Some(&slices.first()?[self.offset..])
    }

    fn skip_empty(&mut self) {
        while let Some((first, rest)) = self.slices.split_first()
            && self.offset == first.len()
        {
            (self.slices, self.offset) = (rest, 0);
        }
    }

    fn left(&self) -> usize {
        self.slices.iter().map(|slice| slice.len()).sum::<usize>() - self.offset
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(slices: &[Vec<u8>], most: usize) -> Vec<Vec<u8>> {
        let slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let mut plaintext = Plaintext::new(&slices);
        let mut gathered = Vec::new();
        let next = || Some(plaintext.next(most, &mut gathered).to_vec()).filter(|record| !record.is_empty());
        std::iter::from_fn(next).collect()
    }

    fn lengths(slices: &[usize]) -> Vec<usize> {
        let slices: Vec<Vec<u8>> = slices.iter().map(|length| vec![0; *length]).collect();
        records(&slices, usize::MAX).iter().map(Vec::len).collect()
    }

    #[test]
    fn slices_that_fit_into_one_record_become_one() {
        assert_eq!(lengths(&[100, 0, 5_000, 2]), [5_102]);
        assert_eq!(lengths(&[MAX_PLAINTEXT]), [MAX_PLAINTEXT]);
        assert!(lengths(&[]).is_empty() && lengths(&[0, 0]).is_empty());
    }

    #[test]
    fn a_large_slice_is_encrypted_in_records_of_its_own() {
        assert_eq!(lengths(&[8, 3 * MAX_PLAINTEXT, 2]), [8, MAX_PLAINTEXT, MAX_PLAINTEXT, MAX_PLAINTEXT, 2]);
        assert_eq!(lengths(&[2 * MAX_PLAINTEXT + 5, 2]), [MAX_PLAINTEXT, MAX_PLAINTEXT, 7]);
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_record_and_in_order(
            slices in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9_000), 0..6),
            most in 1_usize..20_000,
        ) {
            let records = records(&slices, most);
            prop_assert!(records.iter().all(|record| record.len() <= most.min(MAX_PLAINTEXT)));
            prop_assert_eq!(records.concat(), slices.concat());
        }
    }
}
