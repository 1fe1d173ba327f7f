//! Memory that goes back to the system when a large value is dropped.
//!
//! glibc maps a block of 128 KiB or more by itself, and unmaps it when it is freed. But each such block of up to 32 MiB
//! that is freed raises this threshold to its own size, and to twice that the free memory that an arena keeps: after a
//! few listings of a large folder, tens of megabytes. A block of more than 32 MiB raises nothing. What is reserved here
//! is address space; only what is written to takes memory.

/// More than glibc's `DEFAULT_MMAP_THRESHOLD_MAX`.
const MAPPED: usize = 33 * 1024 * 1024;

/// glibc doesn't map a smaller block by itself.
const LARGE: usize = 64 * 1024;

/// An empty vector with room for `size` bytes, in a block that is unmapped when it is dropped if that is much.
pub fn with_room(size: usize) -> Vec<u8> {
    Vec::with_capacity(if cfg!(target_env = "gnu") && size >= LARGE { size.max(MAPPED) } else { size })
}

/// Moves the content of `vec`, if it is large, to a block that is unmapped when `vec` is dropped.
pub fn map_if_large<T>(vec: &mut Vec<T>) {
    let size = size_of::<T>();
    if cfg!(target_env = "gnu") && (LARGE..MAPPED).contains(&(vec.capacity() * size)) {
        // Where address space is short it stays where it is.
        let _ = vec.try_reserve_exact((MAPPED / size).saturating_sub(vec.len()));
    }
}

/// A value of many small blocks, which go back to the system when it is dropped.
///
/// glibc keeps free blocks until one of 64 KiB is freed in the same arena. So such a block, never written to, is freed
/// after them; the thread that made the value has to create this.
#[derive(Debug)]
pub struct Trimmed<T> {
    // Fields are dropped in this order.
    value: T,
    _last: Vec<u8>,
}

impl<T> Trimmed<T> {
    /// `value`, which this thread has made.
    pub fn new(value: T) -> Self {
        Self { value, _last: Vec::with_capacity(LARGE + LARGE / 2) }
    }
}

impl<T> std::ops::Deref for Trimmed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_moved_and_stays_what_it_is() {
        for (length, is_moved) in [(0, false), (1000, false), (100_000, true), (10_000_000, true)] {
            let mut vec: Vec<u64> = (0..length).collect();
            map_if_large(&mut vec);
            assert!(vec.iter().copied().eq(0..length));
            let is_large = cfg!(target_env = "gnu") && is_moved;
            assert_eq!(vec.capacity() * size_of::<u64>() > 32 << 20, is_large, "{length}");
        }
    }
}
