//! Whether the system still has memory to give: a small allocation that fails ends the whole program, so that whoever
//! would need much more of it is refused before.

/// Address space that must be left, in bytes: more than all that is allocated between two looks.
const HEADROOM: usize = 2 * 1024 * 1024;

/// Whether there is room for something new. It asks the system, by `mmap(2)`.
pub fn is_left() -> bool {
    Vec::<u8>::new().try_reserve_exact(HEADROOM).is_ok()
}
