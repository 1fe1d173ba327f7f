//! Labels of subtitles: `pt-BR.forced` in a file name is labelled "Portuguese (Brazil, forced)", and its language is
//! `pt-BR`. The last language in a tag is the language; `hi` beside it is hearing impaired, and not Hindi. Words that
//! are neither language nor mark are kept as they are.

use std::collections::HashMap;
use std::iter::once;
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

/// The languages of ISO 639-1 and a few more: BCP 47 code, English name, codes of three letters, and the language's own
/// name where subtitles are common. Further rows are for names of more than a language. Crates with this table add a
/// megabyte to the binary and overflow a worker's stack in a debug build, or call Romanian "Moldavian, Moldovan".
const LANGUAGES: &str = "\
    aa Afar/aar, ab Abkhazian/abk, ae Avestan/ave, af Afrikaans/afr, ak Akan/aka, am Amharic/amh, an Aragonese/arg, \
    ar Arabic/ara/العربية/عربي, as Assamese/asm, av Avaric/ava, ay Aymara/aym, az Azerbaijani/aze/azərbaycanca, \
    ba Bashkir/bak, be Belarusian/bel/беларуская, bg Bulgarian/bul/български, bi Bislama/bis, bm Bambara/bam, \
    bn Bengali/ben/বাংলা/Bangla, bo Tibetan/bod/tib, br Breton/bre, bs Bosnian/bos/bosanski, ca Catalan/cat/català, \
    ce Chechen/che, ch Chamorro/cha, cmn Mandarin, co Corsican/cos, cr Cree/cre, cs Czech/ces/cze/čeština, \
    cu Church Slavic/chu, cv Chuvash/chv, cy Welsh/cym/wel/Cymraeg, da Danish/dan/dansk, de German/deu/ger/Deutsch, \
    dv Dhivehi/div, dz Dzongkha/dzo, ee Ewe/ewe, el Greek/ell/gre/ελληνικά, en English/eng, eo Esperanto/epo, \
    es Spanish/spa/español, et Estonian/est/eesti, eu Basque/eus/baq/euskara, fa Persian/fas/per/Farsi/فارسی, \
    ff Fulah/ful, fi Finnish/fin/suomi, fil Filipino, fj Fijian/fij, fo Faroese/fao/føroyskt, \
    fr French/fra/fre/français, fy Western Frisian/fry, ga Irish/gle/Gaeilge, gd Scottish Gaelic/gla, \
    gl Galician/glg/galego, gn Guarani/grn, gsw Swiss German, gu Gujarati/guj/ગુજરાતી, gv Manx/glv, ha Hausa/hau, \
    haw Hawaiian, he Hebrew/heb/עברית/iw, hi Hindi/hin/हिन्दी/हिंदी, ho Hiri Motu/hmo, hr Croatian/hrv/hrvatski, \
    ht Haitian Creole/hat, hu Hungarian/hun/magyar, hy Armenian/hye/arm/հայերեն, hz Herero/her, ia Interlingua/ina, \
    id Indonesian/ind/Bahasa Indonesia, ie Interlingue/ile, ig Igbo/ibo, ik Inupiaq/ipk, io Ido/ido, \
    is Icelandic/isl/ice/íslenska, it Italian/ita/italiano, iu Inuktitut/iku, ja Japanese/jpn/日本語/jp, \
    jv Javanese/jav, ka Georgian/kat/geo/ქართული, kg Kongo/kon, ki Kikuyu/kik, kj Kuanyama/kua, \
    kk Kazakh/kaz/қазақ тілі, kl Kalaallisut/kal, km Khmer/khm/ខ្មែរ, kn Kannada/kan/ಕನ್ನಡ, ko Korean/kor/한국어, \
    kr Kanuri/kau, ks Kashmiri/kas, ku Kurdish/kur, kv Komi/kom, kw Cornish/cor, ky Kirghiz/kir, la Latin/lat, \
    lb Luxembourgish/ltz, lg Ganda/lug, li Limburgan/lim, ln Lingala/lin, lo Lao/lao/ລາວ, lt Lithuanian/lit/lietuvių, \
    lu Luba-Katanga/lub, lv Latvian/lav/latviešu, mg Malagasy/mlg, mh Marshallese/mah, mi Maori/mri/mao, \
    mk Macedonian/mkd/mac/македонски, ml Malayalam/mal/മലയാളം, mn Mongolian/mon/монгол, mr Marathi/mar/मराठी, \
    ms Malay/msa/may/Bahasa Melayu, mt Maltese/mlt, my Burmese/mya/bur/မြန်မာ, na Nauru/nau, \
    nb Norwegian Bokmål/nob/bokmål/norsk bokmål, nd North Ndebele/nde, nds Low German, ne Nepali/nep/नेपाली, \
    ng Ndonga/ndo, nl Dutch/nld/dut/Nederlands, nn Norwegian Nynorsk/nno/nynorsk/norsk nynorsk, \
    no Norwegian/nor/norsk, nr South Ndebele/nbl, nv Navajo/nav, ny Nyanja/nya, oc Occitan/oci, oj Ojibwa/oji, \
    om Oromo/orm, or Oriya/ori, os Ossetian/oss, pa Punjabi/pan/ਪੰਜਾਬੀ, pi Pali/pli, pl Polish/pol/polski, \
    ps Pashto/pus, pt Portuguese/por/português, qu Quechua/que, rm Romansh/roh, rn Rundi/run, \
    ro Romanian/ron/rum/română, ru Russian/rus/русский, rw Kinyarwanda/kin, sa Sanskrit/san, sc Sardinian/srd, \
    sd Sindhi/snd, se Northern Sami/sme, sg Sango/sag, sh Serbo-Croatian/hbs, si Sinhala/sin/සිංහල, \
    sk Slovak/slk/slo/slovenčina, sl Slovenian/slv/slovenščina, sm Samoan/smo, sn Shona/sna, so Somali/som, \
    sq Albanian/sqi/alb/shqip, sr Serbian/srp/srpski/српски, ss Swati/ssw, st Southern Sotho/sot, su Sundanese/sun, \
    sv Swedish/swe/svenska, sw Swahili/swa/Kiswahili, ta Tamil/tam/தமிழ், te Telugu/tel/తెలుగు, tg Tajik/tgk, \
    th Thai/tha/ไทย, ti Tigrinya/tir, tk Turkmen/tuk, tl Tagalog/tgl, tn Tswana/tsn, to Tonga/ton, \
    tr Turkish/tur/Türkçe, ts Tsonga/tso, tt Tatar/tat, tw Twi/twi, ty Tahitian/tah, ug Uighur/uig, \
    uk Ukrainian/ukr/українська, ur Urdu/urd/اردو, uz Uzbek/uzb/oʻzbek, ve Venda/ven, vi Vietnamese/vie/Tiếng Việt, \
    vo Volapük/vol, wa Walloon/wln, wo Wolof/wol, xh Xhosa/xho, yi Yiddish/yid, yo Yoruba/yor, \
    yue Cantonese/粤语/粵語/廣東話/zh yue, za Zhuang/zha, zh Chinese/zho/chi/中文/汉语/漢語, zu Zulu/zul, \
    pt-BR Portuguese/Brazilian/Brazilian Portuguese/pt br/ptbr/pb/pob, pt-PT Portuguese/European Portuguese, \
    fr-CA French/Canadian French, es-ES Spanish/Castilian/European Spanish, es-419 Spanish/Latin American Spanish, \
    zh-TW Chinese/zh tw, zh-Hans Chinese/chs/chs eng/Simplified Chinese/简体/简体中文, \
    zh-Hant Chinese/cht/cht eng/Traditional Chinese/繁體/繁体/繁體中文/繁体中文";

/// Regions and scripts with their names; others are shown as their code. (Crates have ISO 3166's official names, such
/// as "United Kingdom of Great Britain and Northern Ireland (the)".)
const PLACES: &str = "\
    419 Latin America/Latinoamérica/América Latina, AR Argentina, AT Austria, AU Australia, BE Belgium, \
    BR Brazil/Brasil, CA Canada, CH Switzerland, CL Chile, CN China, CO Colombia, DE Germany, ES Spain/España, \
    FR France, GB United Kingdom, HK Hong Kong, IE Ireland, IN India, IT Italy, LU Luxembourg, MO Macao, \
    MX Mexico/México, NL Netherlands, NZ New Zealand, PE Peru, PT Portugal, RS Serbia, SG Singapore, TW Taiwan, \
    US United States, ZA South Africa, Cyrl Cyrillic, Hans Simplified, Hant Traditional, Latn Latin";

/// Marks that distinguish subtitles of one language, with their labels. `default` and the like say nothing.
const MARKS: &str = "cc captions, default default/sub/subs/subtitle/subtitles/utf, forced forced/foreign, \
    sdh hearing impaired/hi/hoh";

/// The rows of a table by their codes and names.
type Table = LazyLock<HashMap<String, (&'static str, &'static str)>>;
static LANGUAGES_BY_WORD: Table = LazyLock::new(|| by_word(LANGUAGES));
static PLACES_BY_WORD: Table = LazyLock::new(|| by_word(PLACES));
static MARKS_BY_WORD: Table = LazyLock::new(|| by_word(MARKS));

fn by_word(table: &'static str) -> HashMap<String, (&'static str, &'static str)> {
    let mut by_word = HashMap::new();
    for (code, names) in table.split(", ").filter_map(|row| row.split_once(' ')) {
        let name = names.split('/').next().unwrap_or(names);
        for word in once(code).chain(names.split('/')) {
            by_word.entry(plain(word)).or_insert((code, name));
        }
    }
    by_word
}

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
        if detail != "default" && !details.contains(&detail) {
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
    LANGUAGES_BY_WORD.get(language).map_or(language, |(_, name)| name)
}

/// What one word says, or several.
#[derive(Debug, PartialEq)]
enum Part {
    /// Its BCP 47 tag.
    Language(String),
    /// `hi`: hearing impaired, or Hindi if there is no other language.
    Hi,
    /// Its label; a number is like `default`.
    Mark(&'static str),
    /// Anything else, at this place in the text.
    Other(Range<usize>),
}

impl Part {
    fn of(word: &str) -> Option<Self> {
        let mark = || MARKS_BY_WORD.get(word).map(|(_, label)| Self::Mark(label));
        let language = || LANGUAGES_BY_WORD.get(word).map(|(tag, _)| Self::Language((*tag).to_owned()));
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
            (1, Part::Mark("default"))
        } else {
            // `en2`, `utf8`.
            let numbered = Part::of(plain[at].trim_end_matches(|c: char| c.is_ascii_digit()));
            (1, numbered.unwrap_or(Part::Other(words[at].clone())))
        };
        match (parts.last_mut(), part) {
            (Some(Part::Other(run)), Part::Other(word)) => run.end = word.end,
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
    if MARKS_BY_WORD.contains_key(word) || (!is_joined && LANGUAGES_BY_WORD.contains_key(word)) {
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
mod tests;
