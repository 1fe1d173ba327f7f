//! Parts and order of paths below the library's folder, as bytes with `/` between components.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use icu_normalizer::ComposingNormalizerBorrowed;

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

/// `path` as the standard library's type.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// The name as it is compared with others: without case, and in one Unicode normal form, since macOS has another one.
pub fn fold(name: &[u8]) -> String {
    // The lower case of a sigma depends on what follows it, and so `ΟΔΟΣ` wouldn't begin `ΟΔΟΣ.en`.
    ComposingNormalizerBorrowed::new_nfc().normalize_utf8(name).to_lowercase().replace('ς', "σ")
}
