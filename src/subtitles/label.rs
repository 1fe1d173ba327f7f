//! Labels of subtitles: `pt-BR.forced` in a file name is labelled "Portuguese (Brazil, forced)", and its language is
//! `pt-BR`. The last language in a tag is the language; `hi` beside it is hearing impaired, and not Hindi. Words that
//! are neither language nor mark are kept as they are.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// What a track is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// The language as a BCP 47 tag, for `srclang`; `und` if unknown.
    pub lang: String,
    /// The language and its details, in English.
    pub label: String,
    /// The details alone, for a label in another language.
    pub details: String,
}

/// The languages of ISO 639-1 and a few more: BCP 47 code, codes of three letters in ISO 639-2 (for some there are
/// two), and names: the English one is first, and the language's own follows where subtitles are common. Crates with
/// this table add a megabyte to the binary and overflow a worker's stack in a debug build, or call Romanian "Moldavian,
/// Moldovan".
const LANGUAGES: &str = "\
    aa aar Afar, ab abk Abkhazian, ae ave Avestan, af afr Afrikaans, ak aka Akan, am amh Amharic, an arg Aragonese, \
    ar ara Arabic/العربية/عربي, as asm Assamese, av ava Avaric, ay aym Aymara, az aze Azerbaijani/azərbaycanca, \
    ba bak Bashkir, be bel Belarusian/беларуская, bg bul Bulgarian/български, bi bis Bislama, bm bam Bambara, \
    bn ben Bengali/বাংলা/Bangla, bo bod/tib Tibetan, br bre Breton, bs bos Bosnian/bosanski, ca cat Catalan/català, \
    ce che Chechen, ch cha Chamorro, cmn cmn Mandarin, co cos Corsican, cr cre Cree, cs ces/cze Czech/čeština, \
    cu chu Church Slavic, cv chv Chuvash, cy cym/wel Welsh/Cymraeg, da dan Danish/dansk, de deu/ger German/Deutsch, \
    dv div Dhivehi, dz dzo Dzongkha, ee ewe Ewe, el ell/gre Greek/ελληνικά, en eng English, eo epo Esperanto, \
    es spa Spanish/español, et est Estonian/eesti, eu eus/baq Basque/euskara, fa fas/per Persian/Farsi/فارسی, \
    ff ful Fulah, fi fin Finnish/suomi, fil fil Filipino, fj fij Fijian, fo fao Faroese/føroyskt, \
    fr fra/fre French/français, fy fry Western Frisian, ga gle Irish/Gaeilge, gd gla Scottish Gaelic, \
    gl glg Galician/galego, gn grn Guarani, gsw gsw Swiss German, gu guj Gujarati/ગુજરાતી, gv glv Manx, \
    ha hau Hausa, haw haw Hawaiian, he heb Hebrew/עברית, hi hin Hindi/हिन्दी/हिंदी, ho hmo Hiri Motu, \
    hr hrv Croatian/hrvatski, ht hat Haitian Creole, hu hun Hungarian/magyar, hy hye/arm Armenian/հայերեն, \
    hz her Herero, ia ina Interlingua, id ind Indonesian/Bahasa Indonesia, ie ile Interlingue, ig ibo Igbo, \
    ik ipk Inupiaq, io ido Ido, is isl/ice Icelandic/íslenska, it ita Italian/italiano, iu iku Inuktitut, \
    ja jpn Japanese/日本語, jv jav Javanese, ka kat/geo Georgian/ქართული, kg kon Kongo, ki kik Kikuyu, kj kua Kuanyama, \
    kk kaz Kazakh/қазақ тілі, kl kal Kalaallisut, km khm Khmer/ខ្មែរ, kn kan Kannada/ಕನ್ನಡ, ko kor Korean/한국어, \
    kr kau Kanuri, ks kas Kashmiri, ku kur Kurdish, kv kom Komi, kw cor Cornish, ky kir Kirghiz, la lat Latin, \
    lb ltz Luxembourgish, lg lug Ganda, li lim Limburgan, ln lin Lingala, lo lao Lao/ລາວ, \
    lt lit Lithuanian/lietuvių, lu lub Luba-Katanga, lv lav Latvian/latviešu, mg mlg Malagasy, mh mah Marshallese, \
    mi mri/mao Maori, mk mkd/mac Macedonian/македонски, ml mal Malayalam/മലയാളം, mn mon Mongolian/монгол, \
    mr mar Marathi/मराठी, ms msa/may Malay/Bahasa Melayu, mt mlt Maltese, my mya/bur Burmese/မြန်မာ, na nau Nauru, \
    nb nob Norwegian Bokmål/bokmål/norsk bokmål, nd nde North Ndebele, nds nds Low German, ne nep Nepali/नेपाली, \
    ng ndo Ndonga, nl nld/dut Dutch/Nederlands, nn nno Norwegian Nynorsk/nynorsk/norsk nynorsk, \
    no nor Norwegian/norsk, nr nbl South Ndebele, nv nav Navajo, ny nya Nyanja, oc oci Occitan, oj oji Ojibwa, \
    om orm Oromo, or ori Oriya, os oss Ossetian, pa pan Punjabi/ਪੰਜਾਬੀ, pi pli Pali, pl pol Polish/polski, \
    ps pus Pashto, pt por Portuguese/português, qu que Quechua, rm roh Romansh, rn run Rundi, \
    ro ron/rum Romanian/română, ru rus Russian/русский, rw kin Kinyarwanda, sa san Sanskrit, sc srd Sardinian, \
    sd snd Sindhi, se sme Northern Sami, sg sag Sango, sh hbs Serbo-Croatian, si sin Sinhala/සිංහල, \
    sk slk/slo Slovak/slovenčina, sl slv Slovenian/slovenščina, sm smo Samoan, sn sna Shona, so som Somali, \
    sq sqi/alb Albanian/shqip, sr srp Serbian/srpski/српски, ss ssw Swati, st sot Southern Sotho, su sun Sundanese, \
    sv swe Swedish/svenska, sw swa Swahili/Kiswahili, ta tam Tamil/தமிழ், te tel Telugu/తెలుగు, tg tgk Tajik, \
    th tha Thai/ไทย, ti tir Tigrinya, tk tuk Turkmen, tl tgl Tagalog, tn tsn Tswana, to ton Tonga, \
    tr tur Turkish/Türkçe, ts tso Tsonga, tt tat Tatar, tw twi Twi, ty tah Tahitian, ug uig Uighur, \
    uk ukr Ukrainian/українська, ur urd Urdu/اردو, uz uzb Uzbek/oʻzbek, ve ven Venda, vi vie Vietnamese/Tiếng Việt, \
    vo vol Volapük, wa wln Walloon, wo wol Wolof, xh xho Xhosa, yi yid Yiddish, yo yor Yoruba, \
    yue yue Cantonese/粤语/粵語/廣東話, za zha Zhuang, zh zho/chi Chinese/中文/汉语/漢語, zu zul Zulu";

/// Codes and names in use for subtitles that have a tag of more than one part, or another one today.
const ALIASES: &str = "\
    Brazilian pt-BR, Brazilian Portuguese pt-BR, Canadian French fr-CA, Castilian es-ES, chs zh-Hans, cht zh-Hant, \
    European Portuguese pt-PT, European Spanish es-ES, iw he, jp ja, \
    Latin American Spanish es-419, pb pt-BR, pob pt-BR, pt-BR pt-BR, ptbr pt-BR, Simplified Chinese zh-Hans, \
    Traditional Chinese zh-Hant, zh-cmn zh, zh-TW zh-TW, zh-yue yue, 简体 zh-Hans, 简体中文 zh-Hans, 繁體 zh-Hant, \
    繁体 zh-Hant, 繁體中文 zh-Hant, 繁体中文 zh-Hant";

/// Regions and scripts with their names; others are shown as their code. (Crates have ISO 3166's official names, such
/// as "United Kingdom of Great Britain and Northern Ireland (the)".)
const PLACES: &str = "\
    419 Latin America/Latinoamérica/América Latina, AR Argentina, AT Austria, AU Australia, BE Belgium, \
    BR Brazil/Brasil, CA Canada, CH Switzerland, CL Chile, CN China, CO Colombia, DE Germany, ES Spain/España, \
    FR France, GB United Kingdom, HK Hong Kong, IE Ireland, IN India, IT Italy, LU Luxembourg, MO Macao, \
    MX Mexico/México, NL Netherlands, NZ New Zealand, PE Peru, PT Portugal, RS Serbia, SG Singapore, TW Taiwan, \
    US United States, ZA South Africa, Cyrl Cyrillic, Hans Simplified, Hant Traditional, Latn Latin";

/// Marks that distinguish subtitles of one language, with their labels; some say nothing.
const MARKS: &[(&str, &str)] = &[
    ("forced", "forced"),
    ("foreign", "forced"),
    ("sdh", "hearing impaired"),
    ("hi", "hearing impaired"),
    ("hoh", "hearing impaired"),
    ("hearing-impaired", "hearing impaired"),
    ("cc", "captions"),
    ("default", ""),
    ("sub", ""),
    ("subs", ""),
    ("subtitle", ""),
    ("subtitles", ""),
    ("utf", ""),
];

/// A language's tag and its English name, by its codes and names as [`plain`] has them.
static BY_WORD: LazyLock<HashMap<String, (&str, &str)>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    for (code, rest) in LANGUAGES.split(", ").filter_map(|row| row.split_once(' ')) {
        let Some((codes, names)) = rest.split_once(' ') else { continue };
        let name = names.split('/').next().unwrap_or(names);
        words.extend([code].into_iter().chain(codes.split('/')).map(|word| (plain(word), (code, name))));
        for word in names.split('/') {
            words.entry(plain(word)).or_insert((code, name));
        }
    }
    let aliases = ALIASES.split(", ").filter_map(|row| row.rsplit_once(' '));
    words.extend(aliases.map(|(alias, tag)| (plain(alias), (tag, alias))));
    words
});

/// The same for regions and scripts.
static PLACES_BY_WORD: LazyLock<HashMap<String, (&str, &str)>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    for (code, names) in PLACES.split(", ").filter_map(|row| row.split_once(' ')) {
        let name = names.split('/').next().unwrap_or(names);
        words.extend([code].into_iter().chain(names.split('/')).map(|word| (plain(word), (code, name))));
    }
    words
});

/// The labels of a film's subtitles, no two the same: the second "English" is "English 2".
pub fn labels<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<Label> {
    // How often each label is taken, and by which number it was found to be.
    let mut taken: HashMap<String, usize> = HashMap::new();
    let unique = |tag| {
        let mut label = label(tag);
        let first = label.label.clone();
        let mut number = taken.get(&first).copied().unwrap_or(1);
        while taken.contains_key(&label.label) {
            number += 1;
            label.label = format!("{first} {number}");
        }
        taken.insert(first, number);
        taken.entry(label.label.clone()).or_insert(1);
        label
    };
    tags.into_iter().map(unique).collect()
}

/// The language that the name of a subtitle file ends with, whatever its film's name is; `und` if there is none.
pub fn language(stem: &[u8]) -> String {
    let parts = parts(&String::from_utf8_lossy(stem));
    let end = parts.rsplit(|part| matches!(part, Part::Other(_))).next().unwrap_or_default();
    spoken(end).map_or("und".to_owned(), |at| end[at].tag().to_owned())
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
            Part::Language(other) => name(other),
            Part::Hi => "hearing impaired",
            Part::Mark(mark) => mark,
            Part::Other(run) => &tag[run.clone()],
        };
        if !detail.is_empty() && !details.contains(&detail) {
            details.push(detail);
        }
    }
    let with = |name: &str, details: &[&str]| match details {
        [] => name.to_owned(),
        details => format!("{name} ({})", details.join(", ")),
    };
    match &language {
        Some(language) => {
            let lang = language.tag();
            let place = |code| PLACES_BY_WORD.get(&plain(code)).map_or(code, |(_, name)| name);
            let all: Vec<&str> = lang.split('-').skip(1).map(place).chain(details.iter().copied()).collect();
            Label { lang: lang.to_owned(), label: with(name(lang), &all), details: details.join(", ") }
        }
        None => {
            let (name, details) = details.split_first().unwrap_or((&"Subtitles", &[]));
            Label { lang: "und".into(), label: with(name, details), details: String::new() }
        }
    }
}

/// The English name of a tag's language.
fn name(tag: &str) -> &str {
    let language = tag.split('-').next().unwrap_or(tag);
    BY_WORD.get(language).map_or(language, |(_, name)| name)
}

/// What one word says, or several.
#[derive(Debug, PartialEq)]
enum Part {
    /// Its BCP 47 tag.
    Language(String),
    /// `hi`: hearing impaired, or Hindi if there is no other language.
    Hi,
    /// Its label; a number has none.
    Mark(&'static str),
    /// Anything else, at this place in the text.
    Other(Range<usize>),
}

impl Part {
    fn of(word: &str) -> Option<Self> {
        let mark = || MARKS.iter().find(|(mark, _)| *mark == word).map(|(_, label)| Self::Mark(label));
        let language = || BY_WORD.get(word).map(|(tag, _)| Self::Language((*tag).to_owned()));
        if word == "hi" { Some(Self::Hi) } else { mark().or_else(language) }
    }

    fn tag(&self) -> &str {
        if let Self::Language(tag) = self { tag } else { "hi" }
    }
}

/// Which of the parts is the language. Of several it is the last, since words before it may belong to a title.
fn spoken(parts: &[Part]) -> Option<usize> {
    let last = parts.iter().rposition(|part| matches!(part, Part::Language(_)));
    last.or_else(|| parts.iter().position(|part| *part == Part::Hi))
}

fn parts(text: &str) -> Vec<Part> {
    let words = words(text);
    let plain: Vec<String> = words.iter().map(|word| plain(&text[word.clone()])).collect();
    let mut parts: Vec<Part> = Vec::new();
    let (mut at, mut end) = (0, 0);
    while at < words.len() {
        let gap = &text[end..words[at].start];
        let is_number = plain[at].bytes().all(|b| b.is_ascii_digit());
        let (count, part) = if let Some(Part::Language(tag)) = parts.last()
            && let Some((count, longer)) = longest(&plain[at..], |word| lengthened(tag, word, gap))
        {
            parts.pop();
            (count, Part::Language(longer))
        } else if let Some(known) = longest(&plain[at..], Part::of) {
            known
        } else if is_number && !matches!(parts.last(), Some(Part::Other(_))) {
            (1, Part::Mark(""))
        } else {
            // `en2`, `utf8`.
            let numbered = Part::of(plain[at].trim_end_matches(|c: char| c.is_ascii_digit()));
            (1, numbered.unwrap_or(Part::Other(words[at].clone())))
        };
        match (parts.last_mut(), part) {
            (Some(Part::Other(run)), Part::Other(word)) => run.end = word.end,
            // Before the first, which is the language of `chs&eng`.
            (Some(Part::Language(_)), second @ Part::Language(_)) if gap.contains(['&', '+']) => {
                parts.insert(parts.len() - 1, second);
            }
            (_, part) => parts.push(part),
        }
        at += count;
        end = words[at - 1].end;
    }
    parts
}

/// The most words at the start that say something together, `swiss-german` and not `german`, and what.
fn longest<T>(words: &[String], meaning: impl Fn(&str) -> Option<T>) -> Option<(usize, T)> {
    (1..=words.len().min(3)).rev().find_map(|count| Some((count, meaning(&words[..count].join("-"))?)))
}

/// The language tag with the script or region `word`, if it can follow.
fn lengthened(tag: &str, word: &str, gap: &str) -> Option<String> {
    // In `it.de`, the second is a language.
    let is_joined = gap.contains(['-', '_', '(', '[']);
    if MARKS.iter().any(|(mark, _)| *mark == word) || (!is_joined && BY_WORD.contains_key(word)) {
        return None;
    }
    let is_code = is_joined && word.len() == 2 && word.bytes().all(|b| b.is_ascii_lowercase());
    let unnamed = || is_code.then(|| word.to_ascii_uppercase());
    let subtag = PLACES_BY_WORD.get(word).map(|(code, _)| (*code).to_owned()).or_else(unnamed)?;
    let follows = tag.split('-').skip(1).all(|before| before.len() == 4 && subtag.len() < 4);
    follows.then(|| format!("{tag}-{subtag}"))
}

/// Where the words are.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut words = Vec::new();
    for piece in text.split_inclusive(is_separator) {
        let word = piece.trim_end_matches(is_separator);
        if !word.is_empty() {
            words.push(start..start + word.len());
        }
        start += piece.len();
    }
    words
}

/// `text` as it is compared: without case and accents, and with `-` between words.
fn plain(text: &str) -> String {
    let text = text.to_lowercase();
    let letters = DecomposingNormalizerBorrowed::new_nfd().normalize(&text);
    let letters = letters.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c));
    letters.map(|c| if is_separator(c) { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxilangtag::LanguageTag;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn every_tag_has_a_language_and_a_label() {
        let rows = [
            ("", "und", "Subtitles"),
            ("en", "en", "English"),
            ("EN", "en", "English"),
            ("eng", "en", "English"),
            ("English", "en", "English"),
            ("-en", "en", "English"),
            ("_eng", "en", "English"),
            (" en", "en", "English"),
            ("[en]", "en", "English"),
            (" (en)", "en", "English"),
            (" - English", "en", "English"),
            ("2_English", "en", "English"),
            ("English2", "en", "English"),
            (" - English subtitles.utf8", "en", "English"),
            ("pt-BR", "pt-BR", "Portuguese (Brazil)"),
            ("pt_br", "pt-BR", "Portuguese (Brazil)"),
            ("pt.br", "pt-BR", "Portuguese (Brazil)"),
            ("pob", "pt-BR", "Portuguese (Brazil)"),
            ("Brazilian Portuguese", "pt-BR", "Portuguese (Brazil)"),
            ("Portuguese (Brazil)", "pt-BR", "Portuguese (Brazil)"),
            ("portugu\u{ea}s_brasil", "pt-BR", "Portuguese (Brazil)"),
            ("pt-BR.forced", "pt-BR", "Portuguese (Brazil, forced)"),
            ("pt-AO", "pt-AO", "Portuguese (AO)"),
            ("Portuguese (AO)", "pt-AO", "Portuguese (AO)"),
            ("sv-SE", "sv-SE", "Swedish (SE)"),
            ("en.us", "en-US", "English (United States)"),
            ("es-419", "es-419", "Spanish (Latin America)"),
            ("Spanish (Latin America)", "es-419", "Spanish (Latin America)"),
            ("zh-Hans", "zh-Hans", "Chinese (Simplified)"),
            ("zh-Hant-HK", "zh-Hant-HK", "Chinese (Traditional, Hong Kong)"),
            ("Chinese (Traditional, Hong Kong)", "zh-Hant-HK", "Chinese (Traditional, Hong Kong)"),
            ("zh-TW", "zh-TW", "Chinese (Taiwan)"),
            ("zh-yue", "yue", "Cantonese"),
            ("zh-yue-Hant", "yue-Hant", "Cantonese (Traditional)"),
            ("chs", "zh-Hans", "Chinese (Simplified)"),
            ("cht", "zh-Hant", "Chinese (Traditional)"),
            ("chs&eng", "zh-Hans", "Chinese (Simplified, English)"),
            ("\u{7b80}\u{4f53}\u{4e2d}\u{6587}", "zh-Hans", "Chinese (Simplified)"),
            ("sr-Latn", "sr-Latn", "Serbian (Latin)"),
            ("ger", "de", "German"),
            ("deu", "de", "German"),
            ("Deutsch", "de", "German"),
            ("Swiss German", "gsw", "Swiss German"),
            ("gre", "el", "Greek"),
            ("espa\u{f1}ol", "es", "Spanish"),
            ("ESPAN\u{303}OL", "es", "Spanish"),
            ("Espanol", "es", "Spanish"),
            ("T\u{fc}rk\u{e7}e", "tr", "Turkish"),
            ("\u{420}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{439}", "ru", "Russian"),
            ("\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}", "hi", "Hindi"),
            ("\u{65e5}\u{672c}\u{8a9e}", "ja", "Japanese"),
            ("tieng viet", "vi", "Vietnamese"),
            ("fil", "fil", "Filipino"),
            ("nb", "nb", "Norwegian Bokm\u{e5}l"),
            ("iw", "he", "Hebrew"),
            ("en.forced", "en", "English (forced)"),
            ("forced.en", "en", "English (forced)"),
            ("en-forced", "en", "English (forced)"),
            ("eng.SDH.forced", "en", "English (hearing impaired, forced)"),
            ("English (SDH)", "en", "English (hearing impaired)"),
            ("English [Hearing Impaired]", "en", "English (hearing impaired)"),
            ("en.cc", "en", "English (captions)"),
            ("en-cc", "en", "English (captions)"),
            ("hi", "hi", "Hindi"),
            ("hin", "hi", "Hindi"),
            ("en.hi", "en", "English (hearing impaired)"),
            ("en_hi", "en", "English (hearing impaired)"),
            ("hi.en", "en", "English (hearing impaired)"),
            ("hi.hi", "hi", "Hindi (hearing impaired)"),
            ("en.sdh.hi", "en", "English (hearing impaired)"),
            ("en.default", "en", "English"),
            ("en.2", "en", "English"),
            ("en (2)", "en", "English"),
            ("Director's cut.en", "en", "English (Director's cut)"),
            ("Part 2.en", "en", "English (Part 2)"),
            ("1080p.WEB-DL.H.264.en", "en", "English (1080p.WEB-DL.H.264)"),
            ("No.It.Is.True.en", "en", "English (Norwegian, Italian, Icelandic, True)"),
            ("sdh", "und", "hearing impaired"),
            ("forced", "und", "forced"),
            ("forced.sdh", "und", "forced (hearing impaired)"),
            ("xx", "und", "xx"),
            ("1080p", "und", "1080p"),
            ("<b>", "und", "b"),
            ("2", "und", "Subtitles"),
            ("..", "und", "Subtitles"),
            ("en-", "en", "English"),
        ];
        for (tag, lang, name) in rows {
            let label = label(tag);
            assert_eq!((&label.lang[..], &label.label[..]), (lang, name), "{tag}");
        }
    }

    #[test]
    fn details_are_what_is_said_beside_the_language() {
        let rows = [("pt-BR", ""), ("pt-BR.forced.x", "forced, x"), ("chs&eng", "English"), ("forced", ""), ("", "")];
        for (tag, details) in rows {
            assert_eq!(label(tag).details, details, "{tag}");
        }
    }

    #[test]
    fn no_two_tracks_have_the_same_label() {
        let all = |tags: &[&str]| labels(tags.iter().copied()).into_iter().map(|label| label.label).collect::<Vec<_>>();
        assert_eq!(
            all(&["en", "de", "eng", "en.2", "DE"]),
            ["English", "German", "English 2", "English 3", "German 2"]
        );
        assert_eq!(
            all(&["en.sdh", "en.hi", ""]),
            ["English (hearing impaired)", "English (hearing impaired) 2", "Subtitles"]
        );
        assert_eq!(
            all(&["Part", "a.Part", "Part.", "x.Part 2", "Part"]),
            ["Part", "a.Part", "Part 2", "x.Part 2", "Part 3"]
        );
    }

    #[test]
    fn the_language_at_the_end_of_a_name_is_found_without_the_films() {
        let rows = [
            ("film.ru", "ru"),
            ("Film (2010) - Russian", "ru"),
            ("2_Russian", "ru"),
            ("film.ru.forced.2", "ru"),
            ("film_pt_BR", "pt-BR"),
            ("film.zh-Hant", "zh-Hant"),
            ("Film [JPN] (SDH)", "ja"),
            ("No Man Is It.ru", "ru"),
            ("film.hi", "hi"),
            ("film.en.hi", "en"),
            ("film", "und"),
            ("The Italian Job", "und"),
            ("It Is the End", "und"),
            ("film.en.1080p", "und"),
            ("\u{fffd}", "und"),
            ("", "und"),
        ];
        for (stem, lang) in rows {
            assert_eq!(language(stem.as_bytes()), lang, "{stem}");
        }
    }

    #[test]
    fn every_row_of_the_tables_is_found() {
        for row in LANGUAGES.split(", ") {
            let [code, codes, names] = row.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
            let first = names.split('/').next().unwrap();
            assert!(first.starts_with(char::is_uppercase) && LanguageTag::parse(code).is_ok(), "{row}");
            for word in [code].into_iter().chain(codes.split('/')).chain(names.split('/')) {
                assert_eq!(BY_WORD[&plain(word)], (code, first), "{word}");
                assert_eq!(label(&format!(" {word}")).lang, code, "{word}");
                assert_eq!(language(format!("film {word}").as_bytes()), code, "{word}");
            }
        }
        for (alias, tag) in ALIASES.split(", ").map(|row| row.rsplit_once(' ').unwrap()) {
            assert_eq!(label(alias).lang, tag, "{alias}");
        }
        for (code, names) in PLACES.split(", ").map(|row| row.split_once(' ').unwrap()) {
            for word in [code].into_iter().chain(names.split('/')) {
                let want = format!("Portuguese ({})", names.split('/').next().unwrap());
                assert_eq!(label(&format!("pt ({word})")).label, want);
            }
        }
    }

    /// Text of the kind that file names are made of.
    fn tag() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "en", "hi", "pt", "BR", "zh", "yue", "Hant", "419", "forced", "sdh", "Deutsch", "2", "2010", "x",
            "\u{130}", "e\u{301}", "\u{ff08}", ".", "-", "_", " ", "(", ")", "&", "'", "Latin", "America",
        ]);
        prop_oneof![prop::collection::vec(word, 0..24).prop_map(|words| words.concat()), any::<String>()]
    }

    proptest! {
        #[test]
        fn every_language_is_a_tag_and_every_label_is_unique(tags in prop::collection::vec(tag(), 0..12)) {
            let labels = labels(tags.iter().map(String::as_str));
            let unique: HashSet<_> = labels.iter().map(|label| &label.label).collect();
            prop_assert_eq!((labels.len(), unique.len()), (tags.len(), tags.len()));
            for label in &labels {
                let normal = LanguageTag::parse_and_normalize(&label.lang).unwrap();
                prop_assert_eq!(normal.as_str(), &label.lang);
                prop_assert!(!label.label.is_empty());
            }
            for tag in &tags {
                prop_assert!(LanguageTag::parse(language(tag.as_bytes())).is_ok());
            }
        }

        #[test]
        fn a_tag_of_known_words_has_no_details_of_its_own(tag in tag()) {
            let known: Vec<_> = MARKS.iter().map(|(_, label)| *label).collect();
            let names: Vec<_> = LANGUAGES.split(", ").map(|row| row.splitn(3, ' ').nth(2).unwrap()).collect();
            let is_known = |detail: &str| {
                known.contains(&detail) || names.iter().any(|names| names.split('/').next() == Some(detail))
            };
            let details = label(&tag).details;
            prop_assert!(!is_tag(&tag) || details.is_empty() || details.split(", ").all(is_known), "{}", details);
        }
    }
}
