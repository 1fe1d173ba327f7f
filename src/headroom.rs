//! Whether the system still has memory to give: a small allocation that fails ends the whole program, so that whoever
//! would need much more of it is refused before.

/// Address space that must be left, in bytes: more than all that is allocated between two looks.
const HEADROOM: usize = 2 * 1024 * 1024;

/// Whether there is room for something new. It asks the system, by `mmap(2)`.
pub fn is_left() -> bool {
    let mut room = Vec::<u8>::new();
    let is_left = room.try_reserve_exact(HEADROOM).is_ok();
    // Nobody uses the room, for which reason alone a compiler may leave it out and say that it is there.
    std::hint::black_box(room.as_ptr());
    is_left
}
