//! Labels of subtitles: `pt-BR.forced` in a file name is labelled "Portuguese (Brazil, forced)", and its language is
//! `pt-BR`. The last language in a tag is the language; `hi` beside it is hearing impaired, and not Hindi. Words that
//! are neither language nor mark are kept as they are.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::once;
use std::ops::Range;
use std::sync::LazyLock;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// The language of a track, and its name in a menu.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// The language as a BCP 47 tag, for `srclang`; `und` if unknown.
    pub lang: String,
    /// The language and its details, in English.
    pub label: String,
    /// The details alone, for a label in another language.
    pub details: String,
}

/// The languages that have subtitles: BCP 47 tag, English name, codes of three letters, and the language's own name.
/// Crates with this table add a megabyte to the binary and overflow a worker's stack in a debug build, or call Romanian
/// "Moldavian, Moldovan".
const LANGUAGES: &str = "\
    af Afrikaans/afr, am Amharic/amh, ar Arabic/ara/العربية/عربي, as Assamese/asm, ast Asturian, \
    az Azerbaijani/aze/azərbaycanca, be Belarusian/bel/беларуская, bg Bulgarian/bul/български, \
    bn Bengali/ben/বাংলা/Bangla, bo Tibetan/bod/tib, br Breton/bre, bs Bosnian/bos/bosanski, ca Catalan/cat/català, \
    cmn Mandarin, cs Czech/ces/cze/čeština, cy Welsh/cym/wel/Cymraeg, da Danish/dan/dansk, de German/deu/ger/Deutsch, \
    el Greek/ell/gre/ελληνικά, en English/eng, eo Esperanto/epo, es Spanish/spa/español, et Estonian/est/eesti, \
    eu Basque/eus/baq/euskara, fa Persian/fas/per/Farsi/فارسی, fi Finnish/fin/suomi, fil Filipino, \
    fo Faroese/fao/føroyskt, fr French/fra/fre/français, fy Western Frisian/fry, ga Irish/gle/Gaeilge, \
    gd Scottish Gaelic/gla, gl Galician/glg/galego, gsw Swiss German, gu Gujarati/guj/ગુજરાતી, ha Hausa/hau, \
    haw Hawaiian, he Hebrew/heb/עברית/iw, hi Hindi/hin/हिन्दी/हिंदी, hr Croatian/hrv/hrvatski, ht Haitian Creole/hat, \
    hu Hungarian/hun/magyar, hy Armenian/hye/arm/հայերեն, id Indonesian/ind/Bahasa Indonesia, ig Igbo/ibo, \
    is Icelandic/isl/ice/íslenska, it Italian/ita/italiano, ja Japanese/jpn/日本語/jp, jv Javanese/jav, \
    ka Georgian/kat/geo/ქართული, kk Kazakh/kaz/қазақ тілі, km Khmer/khm/ខ្មែរ, kn Kannada/kan/ಕನ್ನಡ, \
    ko Korean/kor/한국어, ku Kurdish/kur, ky Kyrgyz/kir, la Latin/lat, lb Luxembourgish/ltz, lo Lao/ລາວ, \
    lt Lithuanian/lit/lietuvių, lv Latvian/lav/latviešu, mg Malagasy/mlg, mi Maori/mri/mao, \
    mk Macedonian/mkd/mac/македонски, ml Malayalam/mal/മലയാളം, mn Mongolian/mon/монгол, mr Marathi/mar/मराठी, \
    ms Malay/msa/may/Bahasa Melayu, mt Maltese/mlt, my Burmese/mya/bur/မြန်မာ, \
    nb Norwegian Bokmål/nob/bokmål/norsk bokmål, nds Low German, ne Nepali/nep/नेपाली, nl Dutch/nld/dut/Nederlands, \
    nn Norwegian Nynorsk/nno/nynorsk/norsk nynorsk, no Norwegian/nor/norsk, oc Occitan/oci, or Odia/ori, \
    pa Punjabi/pan/ਪੰਜਾਬੀ, pl Polish/pol/polski, ps Pashto/pus, \
    pt Portuguese/por/português, rm Romansh/roh, ro Romanian/ron/rum/română, ru Russian/rus/русский, \
    rw Kinyarwanda/kin, sa Sanskrit/san, sd Sindhi/snd, se Northern Sami/sme, sh Serbo-Croatian/hbs, \
    si Sinhala/sin/සිංහල, sk Slovak/slk/slo/slovenčina, sl Slovenian/slv/slovenščina, so Somali/som, \
    sq Albanian/sqi/alb/shqip, sr Serbian/srp/srpski/српски, su Sundanese/sun, sv Swedish/swe/svenska, \
    sw Swahili/swa/Kiswahili, ta Tamil/tam/தமிழ், te Telugu/tel/తెలుగు, tg Tajik/tgk, th Thai/tha/ไทย, tk Turkmen/tuk, \
    tl Tagalog/tgl, tr Turkish/tur/Türkçe, tt Tatar/tat, ug Uyghur/uig, uk Ukrainian/ukr/українська, \
    ur Urdu/urd/اردو, uz Uzbek/uzb/oʻzbek, vi Vietnamese/vie/Tiếng Việt, wo Wolof/wol, xh Xhosa/xho, yi Yiddish/yid, \
    yo Yoruba/yor, yue Cantonese/zh yue/粤语/粵語/廣東話, zh Chinese/zho/chi/中文/汉语/漢語, zu Zulu/zul, \
    en-GB English (UK)/English (United Kingdom)/British English, en-US English (US)/English (United States), \
    es-419 Spanish (Latin America)/Latin American Spanish/español (Latinoamérica), \
    es-ES Spanish (Spain)/Castilian/European Spanish/español (España), es-MX Spanish (Mexico)/español (México), \
    fr-CA French (Canada)/Canadian French, pt-PT Portuguese (Portugal)/European Portuguese, \
    pt-BR Portuguese (Brazil)/Brazilian/Brazilian Portuguese/português (Brasil)/ptbr/pb/pob, \
    zh-Hans Chinese (Simplified)/Simplified Chinese/chs/chs eng/简体/简体中文/中文 简体, \
    zh-Hant Chinese (Traditional)/Traditional Chinese/cht/cht eng/繁體/繁体/繁體中文/繁体中文/中文 繁體, \
    zh-HK Chinese (Hong Kong), zh-TW Chinese (Taiwan)";

/// Marks that distinguish subtitles of one language, each with its label first. Those of the last row say nothing; its
/// empty name is that of numbers.
const MARKS: &str = "captions/cc, forced/foreign, hearing impaired/sdh/hoh, /default/sub/subs/subtitle/subtitles/utf";

/// The meaning of a word, or of several together.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// Its BCP 47 tag and English name.
    Language(Cow<'static, str>, Cow<'static, str>),
    /// `hi`: hearing impaired, or Hindi if there is no other language.
    Hi,
    /// Its label.
    Mark(&'static str),
    /// Anything else, at this place in the text.
    Other(Range<usize>),
}

impl Part {
    /// Tag and name of the language that it can be.
    fn language(&self) -> Option<(&str, &str)> {
        match self {
            Self::Language(tag, name) => Some((tag, name)),
            Self::Hi => Some(("hi", "Hindi")),
            _ => None,
        }
    }
}

/// What the words of the tables say.
static KNOWN: LazyLock<HashMap<String, Part>> = LazyLock::new(|| {
    let rows = LANGUAGES.split(", ").filter_map(|row| row.split_once(' '));
    let languages = rows.flat_map(|(tag, names)| {
        let name = names.split('/').next().unwrap_or(names);
        let part = Part::Language(tag.into(), name.into());
        once(tag).chain(names.split('/')).map(move |word| (word, part.clone()))
    });
    let marks = MARKS.split(", ").flat_map(|names| {
        let label = names.split('/').next().unwrap_or(names);
        names.split('/').map(move |word| (word, Part::Mark(label)))
    });
    let all = languages.chain(marks).chain(once(("hi", Part::Hi)));
    let key = |word| words(word).iter().map(|(_, word)| &word[1..]).collect::<Vec<_>>().join(" ");
    all.map(|(word, part)| (key(word), part)).collect()
});

/// The labels of a film's subtitles, no two the same: the second "English" is "English 2".
pub fn labels<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<Label> {
    // The highest number tried for each label.
    let mut taken: HashMap<String, usize> = HashMap::new();
    let unique = |tag| {
        let mut label = label(tag);
        let first = label.label.clone();
        let mut number = taken.get(&first).copied().unwrap_or(1);
        while taken.contains_key(&label.label) {
            number += 1;
            label.label = format!("{first} {number}");
        }
        taken.extend([(label.label.clone(), 1), (first, number)]);
        label
    };
    tags.into_iter().map(unique).collect()
}

/// The language that the name of a subtitle file ends with, whatever its film's name is; `und` if there is none.
pub fn language(stem: &[u8]) -> String {
    let parts = parts(&String::from_utf8_lossy(stem));
    let end = parts.rsplit(|part| matches!(part, Part::Other(_))).next().unwrap_or_default();
    spoken(end).and_then(|at| end[at].language()).map_or("und", |(tag, _)| tag).to_owned()
}

/// Whether all of `text` is languages, marks and numbers.
pub fn is_tag(text: &str) -> bool {
    !parts(text).iter().any(|part| matches!(part, Part::Other(_)))
}

/// Whether a character separates words.
pub fn is_separator(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_whitespace() || "\u{2013}\u{2014}\u{3010}\u{3011}\u{ff08}\u{ff09}".contains(c)
}

/// The label of the subtitle `film.<tag>.srt`; `tag` is empty for `film.srt`.
fn label(tag: &str) -> Label {
    let mut parts = parts(tag);
    let language = spoken(&parts).map(|at| parts.remove(at));
    let mut details: Vec<&str> = Vec::new();
    for part in &parts {
        let detail = match part {
            Part::Language(_, name) => name,
            Part::Hi => "hearing impaired",
            Part::Mark(label) => label,
            Part::Other(at) => &tag[at.clone()],
        };
        if !detail.is_empty() && !details.contains(&detail) {
            details.push(detail);
        }
    }
    let details = details.join(", ");
    let (lang, name) = language.as_ref().and_then(Part::language).unwrap_or(("und", "Subtitles"));
    Label { lang: lang.to_owned(), label: with_details(name, &details), details }
}

/// "English (forced)"; for "English (US)", it is "English (US, forced)".
fn with_details(name: &str, details: &str) -> String {
    match name.strip_suffix(')') {
        _ if details.is_empty() => name.to_owned(),
        Some(open) => format!("{open}, {details})"),
        None => format!("{name} ({details})"),
    }
}

/// The place of the language. Of several it is the last, since words before it may belong to a title.
fn spoken(parts: &[Part]) -> Option<usize> {
    let last = parts.iter().rposition(|part| matches!(part, Part::Language(..)));
    last.or_else(|| parts.iter().position(|part| *part == Part::Hi))
}

/// The parts of `text`. Up to three words are read together, as many as possible: `swiss german`, not `german`.
fn parts(text: &str) -> Vec<Part> {
    let words = words(text);
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = &words[..];
    while let [(at, _), ..] = rest {
        let joined = |count| rest[..count].iter().map(|(_, word)| &**word).collect::<String>();
        let read = |count| Some((count, part(&joined(count)[1..])?));
        let read = (1..=rest.len().min(3)).rev().find_map(read);
        let (count, part) = read.unwrap_or((1, Part::Other(at.clone())));
        match (parts.last_mut(), part) {
            // `Part 2` is one text.
            (Some(Part::Other(run)), Part::Other(_) | Part::Mark("")) => run.end = at.end,
            (_, part) => parts.push(part),
        }
        rest = &rest[count..];
    }
    parts
}

/// What `words` say together: those of the tables, also with a number after them (`en2`), or a language with its script
/// or region.
fn part(words: &str) -> Option<Part> {
    let known = |words: &str| KNOWN.get(&words.replace('-', " ")).cloned();
    let unnumbered = words.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = || if unnumbered == words { None } else { known(unnumbered) };
    known(words).or_else(numbered).or_else(|| {
        let (language, subtag) = words.rsplit_once('-')?;
        let is_letters = subtag.bytes().all(|b| b.is_ascii_lowercase());
        let subtag = match (subtag, KNOWN.get(subtag)) {
            // Not any four letters: `Peru` isn't a script.
            ("arab" | "cyrl" | "deva" | "guru" | "hans" | "hant" | "latn", _) => {
                subtag[..1].to_uppercase() + &subtag[1..]
            }
            (_, None | Some(Part::Language(..))) if subtag.len() == 2 && is_letters => subtag.to_ascii_uppercase(),
            _ if subtag.len() == 3 && subtag.bytes().all(|b| b.is_ascii_digit()) => subtag.to_owned(),
            _ => return None,
        };
        let language = part(language)?;
        let (tag, name) = language.language()?;
        // A region is the last.
        let can_follow = tag.split('-').skip(1).all(|before| before.len() == 4 && subtag.len() < 4);
        let tag = format!("{tag}-{subtag}");
        let unnamed = || Part::Language(tag.clone().into(), with_details(name, &subtag).into());
        can_follow.then(|| known(&tag.to_lowercase()).unwrap_or_else(unnamed))
    })
}

/// The words of `text`: where they are, and how they are compared, without case and accents. They begin with a hyphen
/// where they may be the script or region of the word before, or else with a blank: in `it.de`, `de` is a language.
fn words(text: &str) -> Vec<(Range<usize>, String)> {
    let mut words = Vec::new();
    let mut end = 0;
    while let Some(gap) = text[end..].find(|c| !is_separator(c)) {
        let start = end + gap;
        let hyphen = if text[end..start].contains(['-', '_', '(', '[']) { '-' } else { ' ' };
        end = text[start..].find(is_separator).map_or(text.len(), |length| start + length);
        let lower = text[start..end].to_lowercase();
        let letters = DecomposingNormalizerBorrowed::new_nfd().normalize(&lower);
        let letters = letters.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c));
        words.push((start..end, once(hyphen).chain(letters).collect()));
    }
    words
}

#[cfg(test)]
mod tests;
