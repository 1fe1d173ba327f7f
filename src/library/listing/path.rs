//! Parts and order of paths below the library's folder, as bytes with `/` between components.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The last component.
pub fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// The folder of the last component; empty for the library's own.
pub fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&b| b == b'/').map_or(b"", |slash| &path[..slash])
}

/// The path without its extension. The dot of `.mp4` begins a name, not an extension.
pub fn stem(path: &[u8]) -> &[u8] {
    let base = base(path);
    match base.iter().rposition(|&b| b == b'.') {
        Some(dot) if dot > 0 => &path[..path.len() - base.len() + dot],
        _ => path,
    }
}

/// The extension, without its dot.
pub fn extension(path: &[u8]) -> Option<&[u8]> {
    path[stem(path).len()..].strip_prefix(b".")
}

/// The last component without its extension: the title of a video.
pub fn title(path: &[u8]) -> &[u8] {
    base(stem(path))
}

/// The path of `name` in `folder`.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// The same path for the standard library.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// A key whose bytes sort `text` in natural order: case-insensitive, and numbers by value. It is `text` in lower case,
/// with each run of digits as a `0`, the length of its number without leading zeros, and the number. `name` decides
/// between equals, so that the order is total.
pub fn natural_key(text: &[u8], name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let lower = String::from_utf8_lossy(text).to_lowercase();
    let mut key = Vec::with_capacity(lower.len() + 8);
    let mut rest = lower.as_bytes();
    while let Some(&first) = rest.first() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            key.push(first);
            rest = &rest[1..];
            continue;
        }
        let (run, after) = rest.split_at(digits);
        let number = &run[run.iter().take_while(|&&b| b == b'0').count()..];
        key.push(b'0');
        key.extend_from_slice(&(number.len() as u16).to_be_bytes());
        key.extend_from_slice(number);
        rest = after;
    }
    (key, name.to_vec())
}
