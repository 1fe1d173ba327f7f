//! Decodes subtitle files, which come in any charset and don't name it.
//!
//! | input | decoded as |
//! |---|---|
//! | a byte order mark | UTF-8, UTF-16 or UTF-32 |
//! | many zeros, in every other place | UTF-16 |
//! | more characters of UTF-8 than mistakes in it | UTF-8, each mistake as U+FFFD |
//! | anything else | the legacy encoding that `chardetng`, Firefox's detector, guesses from text and language |

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::*;

/// How many bytes of lines that aren't ASCII the detector reads: those of several long films.
const MAX_SAMPLE: usize = 256 * 1024;

/// The countries of languages whose code is another one's: `ar` is Argentina.
const COUNTRIES: &str =
    "ar-eg be-by bs-ba cs-cz el-gr et-lt fa-ir he-il ja-jp kk-kz ko-kr sl-si sq-hr sr-rs uk-ua ur-pk vi-vn zh-cn";

const CENTRAL: &str = "ąćęłńóśźż áčďéěíňóřšťúůýž áäčďéíĺľňóôŕšťúýž áéíóöőúüű čćđšž ăâîşţ ëç";

/// The letters beyond ASCII of languages with Latin letters. Short texts in these encodings are easily confused.
const ALPHABETS: &[(&Encoding, &str)] = &[
    (WINDOWS_1252, "àâæçèéêëîïôœùûü äöüß áéíñóúü àáâãçéêíóôõú àèéìíòóù åäöé æøåéò áðéíóúýþæö àçèéíïòóúü éëïóüè"),
    (WINDOWS_1250, CENTRAL),
    (ISO_8859_2, CENTRAL),
    (WINDOWS_1254, "çğıöşüâîû"),
    (WINDOWS_1257, "ąčęėįšųūž āčēģīķļņšūž äõöüšž"),
];

/// Decodes a file. `language` is its BCP 47 tag, a hint; "und" if unknown.
pub fn decode<'b>(bytes: &'b [u8], language: &str) -> Cow<'b, str> {
    let number = match bytes.first_chunk() {
        Some([0xff, 0xfe, 0, 0]) => Some(u32::from_le_bytes as fn([u8; 4]) -> u32),
        Some([0, 0, 0xfe, 0xff]) => Some(u32::from_be_bytes as _),
        _ => None,
    };
    if let Some(number) = number {
        let characters = bytes[4..].as_chunks().0.iter().map(|&unit| char::from_u32(number(unit)));
        return characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    let marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let encoding = marked.or_else(|| utf_16_by_its_zeros(bytes)).or_else(|| is_mostly_utf_8(bytes).then_some(UTF_8));
    encoding.unwrap_or_else(|| guess(bytes, language)).decode_with_bom_removal(bytes).0
}

/// Detects UTF-16 without a mark. Numbers, spaces and line ends are ASCII in any language, and in UTF-16 have a zero
/// byte, always on the same side.
fn utf_16_by_its_zeros(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(4096)];
    let zeros = |side: usize| start.iter().skip(side).step_by(2).filter(|&&byte| byte == 0).count();
    let big = zeros(0);
    let little = zeros(1);
    let is_one_sided = big.max(little) > 8 * big.min(little) && big.max(little) * 16 >= start.len();
    is_one_sided.then_some(if little > big { UTF_16LE } else { UTF_16BE })
}

/// A legacy encoding has more mistakes, and ISO-2022-JP escapes.
fn is_mostly_utf_8(bytes: &[u8]) -> bool {
    let mut characters = 0;
    let mut mistakes = 0;
    for chunk in bytes.utf8_chunks() {
        characters += chunk.valid().bytes().filter(|&byte| byte >= 0xc0).count();
        mistakes += usize::from(!chunk.invalid().is_empty());
    }
    if characters + mistakes == 0 { !bytes.contains(&0x1b) } else { characters > mistakes }
}

fn guess(bytes: &[u8], language: &str) -> &'static Encoding {
    let mut sample = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| !line.is_ascii() || line.contains(&0x1b)) {
        sample.extend(&line[..line.len().min(MAX_SAMPLE)]);
        if sample.len() >= MAX_SAMPLE {
            break;
        }
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&sample, true);
    let country = country(&language.to_ascii_lowercase());
    let guess = detector.guess(country.as_ref().map(String::as_bytes), Utf8Detection::Deny);
    // Of Latin encodings take one whose letters are those of a language, if there is one.
    let is_of_a_language = |(encoding, alphabets): &&(&'static Encoding, &str)| {
        let text = encoding.decode_without_bom_handling(&sample).0.to_lowercase();
        let is_of = |letters: &str| text.chars().all(|c| !c.is_alphabetic() || c.is_ascii() || letters.contains(c));
        !text.contains(char::REPLACEMENT_CHARACTER) && alphabets.split(' ').any(is_of)
    };
    let guessed = ALPHABETS.iter().find(|(encoding, _)| *encoding == guess);
    let better = guessed.and_then(|guessed| std::iter::once(guessed).chain(ALPHABETS).find(is_of_a_language));
    better.map_or(guess, |(encoding, _)| encoding)
}

/// The top-level domain of the language's country, for the detector.
fn country(language: &str) -> Option<String> {
    let (code, rest) = language.split_once('-').unwrap_or((language, ""));
    if code == "zh" && rest.split('-').any(|part| matches!(part, "hant" | "tw" | "hk" | "mo")) {
        return Some("tw".into());
    }
    let country = COUNTRIES.split(' ').find_map(|pair| pair.strip_prefix(code)?.strip_prefix('-')).unwrap_or(code);
    (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase())).then(|| country.into())
}
