//! What a subtitle is called: `pt-BR.forced`, as file names have it, is "Portuguese (Brazil, forced)" to a person and
//! `pt-BR` to a browser.
//!
//! The first part of a tag that is a language is the language. `hi` is Hindi there, and the hearing impaired behind
//! one. What is neither language nor mark is kept as it is: the tag is a person's word too.

use isolang::Language;
use oxilangtag::LanguageTag;

/// A subtitle's name for people and for browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The language as a BCP 47 tag, for `srclang`; `und` when the name says none.
    pub lang: String,
    /// The language and what sets this one apart, in English.
    pub label: String,
}

/// Codes that subtitles are called by and that are no BCP 47 tags: the bibliographic codes of ISO 639-2 (the Library
/// of Congress's list has these twenty), and what sites for subtitles made up.
const ALIASES: &[(&str, &str)] = &[
    ("alb", "sq"),
    ("arm", "hy"),
    ("baq", "eu"),
    ("bur", "my"),
    ("chi", "zh"),
    ("cze", "cs"),
    ("dut", "nl"),
    ("fre", "fr"),
    ("geo", "ka"),
    ("ger", "de"),
    ("gre", "el"),
    ("ice", "is"),
    ("mac", "mk"),
    ("mao", "mi"),
    ("may", "ms"),
    ("per", "fa"),
    ("rum", "ro"),
    ("slo", "sk"),
    ("tib", "bo"),
    ("wel", "cy"),
    ("chs", "zh-Hans"),
    ("cht", "zh-Hant"),
    ("iw", "he"),
    ("pb", "pt-BR"),
    ("pob", "pt-BR"),
];

/// Marks that tell apart two subtitles of one language; an empty one says nothing.
const MARKS: &[(&str, &str)] = &[
    ("forced", "forced"),
    ("sdh", "hearing impaired"),
    ("hi", "hearing impaired"),
    ("hoh", "hearing impaired"),
    ("cc", "captions"),
    ("default", ""),
];

/// Regions and scripts that subtitles are made for; the others are shown as their code. (ISO 3166's own names, which
/// the libraries have, are those of treaties: "United Kingdom of Great Britain and Northern Ireland (the)".)
const PLACES: &[(&str, &str)] = &[
    ("419", "Latin America"),
    ("AR", "Argentina"),
    ("AT", "Austria"),
    ("AU", "Australia"),
    ("BE", "Belgium"),
    ("BR", "Brazil"),
    ("CA", "Canada"),
    ("CH", "Switzerland"),
    ("CL", "Chile"),
    ("CN", "China"),
    ("CO", "Colombia"),
    ("DE", "Germany"),
    ("ES", "Spain"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("HK", "Hong Kong"),
    ("IE", "Ireland"),
    ("IN", "India"),
    ("IT", "Italy"),
    ("LU", "Luxembourg"),
    ("MO", "Macao"),
    ("MX", "Mexico"),
    ("NL", "Netherlands"),
    ("NZ", "New Zealand"),
    ("PE", "Peru"),
    ("PT", "Portugal"),
    ("RS", "Serbia"),
    ("SG", "Singapore"),
    ("TW", "Taiwan"),
    ("US", "United States"),
    ("ZA", "South Africa"),
    ("Cyrl", "Cyrillic"),
    ("Hans", "Simplified"),
    ("Hant", "Traditional"),
    ("Latn", "Latin"),
];

/// The name of the subtitle `film.<tag>.srt`; `tag` is empty for `film.srt`.
///
/// ```
/// let label = filmstrip::subtitles::label::label("pt-BR");
/// assert_eq!((label.lang.as_str(), label.label.as_str()), ("pt-BR", "Portuguese (Brazil)"));
/// ```
pub fn label(tag: &str) -> Label {
    let mut language: Option<Spoken> = None;
    let mut details: Vec<String> = Vec::new();
    for part in tag.split('.').map(str::trim).filter(|part| !part.is_empty()) {
        let mark = MARKS.iter().find(|(mark, _)| mark.eq_ignore_ascii_case(part)).map(|(_, meaning)| *meaning);
        if language.is_none() && (mark.is_none() || part.eq_ignore_ascii_case("hi")) {
            language = Spoken::from_part(part);
            if language.is_some() {
                continue;
            }
        }
        details.push(mark.unwrap_or(part).to_owned());
    }
    details.retain(|detail| !detail.is_empty());
    let (lang, name) = match language {
        Some(Spoken { tag, name, places }) => {
            details.splice(0..0, places);
            (tag, name)
        }
        None if details.is_empty() => ("und".into(), "Subtitles".into()),
        None => ("und".into(), details.remove(0)),
    };
    let label = if details.is_empty() { name } else { format!("{name} ({})", details.join(", ")) };
    Label { lang, label }
}

/// A language, and where or how it is spoken or written.
struct Spoken {
    tag: String,
    name: String,
    places: Vec<String>,
}

impl Spoken {
    /// Reads a BCP 47 tag, also with `_` for `-`, a code of three letters, or a language's English name.
    fn from_part(part: &str) -> Option<Self> {
        let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(part));
        let written = alias.map_or(part.replace('_', "-"), |(_, tag)| (*tag).to_owned());
        let parsed = LanguageTag::parse_and_normalize(&written).ok()?;
        let primary = parsed.primary_language();
        let known = match primary.len() {
            2 => Language::from_639_1(primary),
            3 => Language::from_639_3(primary),
            _ => Language::from_name(&capitalized(primary)),
        }?;
        let code = known.to_639_1().unwrap_or_else(|| known.to_639_3());
        let subtags: Vec<&str> = parsed.script().into_iter().chain(parsed.region()).collect();
        let name_of = |subtag: &&str| {
            let place = PLACES.iter().find(|(code, _)| code == subtag);
            place.map_or(*subtag, |(_, name)| name).to_owned()
        };
        Some(Self {
            tag: std::iter::once(code).chain(subtags.iter().copied()).collect::<Vec<_>>().join("-"),
            // ISO 639 tells it from Ancient Greek; no film needs that.
            name: known.to_name().trim_start_matches("Modern ").to_owned(),
            places: subtags.iter().map(name_of).collect(),
        })
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_has_a_name_for_people_and_one_for_browsers() {
        let rows = [
            ("", "und", "Subtitles"),
            ("en", "en", "English"),
            ("EN", "en", "English"),
            ("eng", "en", "English"),
            ("English", "en", "English"),
            ("english", "en", "English"),
            ("pt-BR", "pt-BR", "Portuguese (Brazil)"),
            ("pt_br", "pt-BR", "Portuguese (Brazil)"),
            ("pob", "pt-BR", "Portuguese (Brazil)"),
            ("pt-BR.forced", "pt-BR", "Portuguese (Brazil, forced)"),
            ("pt-AO", "pt-AO", "Portuguese (AO)"),
            ("es-419", "es-419", "Spanish (Latin America)"),
            ("zh-Hans", "zh-Hans", "Chinese (Simplified)"),
            ("zh-Hant-HK", "zh-Hant-HK", "Chinese (Traditional, Hong Kong)"),
            ("cht", "zh-Hant", "Chinese (Traditional)"),
            ("ger", "de", "German"),
            ("deu", "de", "German"),
            ("gre", "el", "Greek"),
            ("fil", "fil", "Filipino"),
            ("nb", "nb", "Norwegian Bokm\u{e5}l"),
            ("iw", "he", "Hebrew"),
            ("en.forced", "en", "English (forced)"),
            ("forced.en", "en", "English (forced)"),
            ("en.sdh", "en", "English (hearing impaired)"),
            ("en.cc", "en", "English (captions)"),
            ("hi", "hi", "Hindi"),
            ("en.hi", "en", "English (hearing impaired)"),
            ("hi.hi", "hi", "Hindi (hearing impaired)"),
            ("en.default", "en", "English"),
            ("en.2", "en", "English (2)"),
            ("Director's cut.en", "en", "English (Director's cut)"),
            ("sdh", "und", "hearing impaired"),
            ("forced", "und", "forced"),
            ("xx", "und", "xx"),
            ("1080p", "und", "1080p"),
            ("<b>", "und", "<b>"),
            ("..", "und", "Subtitles"),
            ("en-", "und", "en-"),
        ];
        for (tag, lang, name) in rows {
            assert_eq!(label(tag), Label { lang: lang.into(), label: name.into() }, "{tag}");
        }
    }

    #[test]
    fn what_is_looked_up_can_be_found() {
        for (alias, tag) in ALIASES {
            assert_eq!(Spoken::from_part(alias).map(|spoken| spoken.tag).as_deref(), Some(*tag), "{alias}");
        }
        for (code, name) in PLACES {
            assert_eq!(label(&format!("pt-{code}")).label, format!("Portuguese ({name})"));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_tag_makes_it_panic_and_every_language_is_a_tag(tag: String) {
            let label = label(&tag);
            proptest::prop_assert!(LanguageTag::parse(label.lang.as_str()).is_ok());
            proptest::prop_assert!(!label.label.is_empty());
        }
    }
}
