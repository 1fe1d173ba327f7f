//! A hash of content, for entity tags and colors. It is not cryptographic.

/// FNV-1a, 64 bits: the same in every process, on every machine and in every version.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The strong entity tag of a content that is made in memory, with its quotes (RFC 9110 §8.8.3).
pub fn etag(content: &[u8]) -> String {
    format!("\"{:x}\"", fnv1a(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From draft-eastlake-fnv.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn an_entity_tag_is_quoted() {
        assert_eq!(etag(b"a"), "\"af63dc4c8601ec8c\"");
    }
}
