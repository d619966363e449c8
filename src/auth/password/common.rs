//! Passwords that are guessed first: common words with the usual additions, sequences of keys, repetitions, and the
//! user's own name.
//!
//! Lists of leaked passwords are mostly variations of few words: `Password1`, `P@ssw0rd!`, `welcome2026`. So the words
//! are listed here, and the variations are taken away before they are compared.

use crate::domain::user::UserName;

/// The words at the head of the lists, in lower case.
const WORDS: &str = "
    password passwort passwd passw pass passe motdepasse contrasena contrasenya senha parola haslo heslo salasana
    wachtwoord losenord adgangskode sifre kennwort geheim secret topsecret supersecret private access letmein
    letmeinnow welcome welcomeback willkommen bienvenue bienvenido hello helloworld hallo bonjour ciao admin
    administrator administrador adminadmin root toor rootroot superuser sysadmin user username guest gast default
    changeme changethis changeit changeitnow newpassword mypassword yourpassword oldpassword temppassword password1
    nopassword passpass passphrase passcode login logon signin enter test testing tester testtest demo demodemo sample
    example temp temporary server service backup oracle mysql postgres manager master masterkey god trustno trustme
    trustnoone whatever nothing something anything everything iloveyou iloveu iloveme loveyou loveme lovely love lover
    mylove forever sunshine princess prince queen king dragon monkey donkey tigger tiger panther lion eagle falcon
    phoenix unicorn shadow superman batman spiderman ironman starwars pokemon pikachu naruto minecraft fortnite
    football fussball soccer baseball basketball hockey tennis golf liverpool chelsea arsenal barcelona juventus
    realmadrid manchester cowboys yankees steelers eagles lakers jordan michael jennifer jessica ashley nicole daniel
    andrew joshua matthew thomas robert charlie william anthony jonathan christopher alexander alexandra benjamin
    samantha elizabeth michelle stephanie amanda melissa sandra andrea claudia martina julian sebastian florian
    dominik hannah sophie charlotte maria marina angel angela angels heaven jesus jesuschrist christ blessed faith
    freedom liberty peace destiny family mother father mommy daddy sister brother babygirl babyboy baby sweetheart
    sweety schatz schatzi mausi hase sternchen butterfly flower blossom summer winter spring autumn fruehling sommer
    herbst monday tuesday wednesday thursday friday saturday sunday january february march april june july august
    september october november december chocolate cookie cookies banana orange apple cherry coffee pepper ginger
    cheese pizza computer internet laptop keyboard windows microsoft google facebook instagram linkedin youtube
    twitter samsung iphone android linux ubuntu debian mustang ferrari porsche mercedes corvette harley yamaha honda
    toyota diamond silver golden purple yellow rainbow snoopy garfield scooby mickey minnie bailey buster maggie
    ranger hunter hunter2 killer ninja samurai warrior soldier sniper assassin matrix zxcvbn qwerty qwertz azerty
    qwert asdf asdfgh asdfasdf qweasd qweasdzxc qazwsx qazwsxedc abc abcd abcdef aaa abcabc startrek metallica nirvana
    eminem rockstar musica music guitar merlin gandalf hobbit zaq zaqxsw company office business security secure
    safety sftp sshd ssh ftp upload download files homeport germany deutschland austria france italia espana england
    america canada brasil mexico london paris berlin newyork
";

/// Keys in the order of the keyboard or of the alphabet. Parts of them are sequences, also backwards.
const SEQUENCES: [&str; 9] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// The longest part that is repeated in a repetition, in characters.
const MOST_REPEATED: usize = 3;

/// Returns why a password is among the first that are guessed, or `None` if it is not.
pub(super) fn weakness(name: &UserName, password: &str) -> Option<&'static str> {
    let lower = zeroize::Zeroizing::new(password.to_lowercase());
    let name = name.as_str().to_lowercase();
    let short = name.split_once('@').map_or(&name[..], |(short, _)| short);
    let stem = core(&lower);
    if *lower == name || stem == name || stem == short {
        return Some("it is the user's name, perhaps with digits");
    }
    if is_repetition(&lower) {
        return Some("it repeats the same characters");
    }
    if is_sequence(&lower) {
        return Some("it is a sequence of keys");
    }
    let plain = zeroize::Zeroizing::new(without_substitutes(&lower));
    let plain_core = core(&plain);
    let is_common = WORDS
        .split_whitespace()
        .any(|word| word == stem || word == plain_core || word == plain.as_str() || word == lower.as_str());
    is_common.then_some("it is a variation of a common password")
}

/// Returns the word without the digits and signs around it.
fn core(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphabetic())
}

/// Returns the text with letters in place of the digits and signs that commonly stand for them.
fn without_substitutes(text: &str) -> String {
    let letters = text.trim_end_matches(|c: char| !c.is_alphabetic());
    // All at once: a text that grows leaves copies behind. No letter is longer than what stands for it.
    let mut plain = String::with_capacity(letters.len());
    plain.extend(letters.chars().map(|c| match c {
        '@' | '4' => 'a',
        '3' => 'e',
        '1' | '!' => 'i',
        '0' => 'o',
        '$' | '5' => 's',
        '7' => 't',
        other => other,
    }));
    plain
}

/// Whether the text is the same few characters over and over.
fn is_repetition(text: &str) -> bool {
    let mut chars = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    chars.extend(text.chars());
    (1..=MOST_REPEATED).any(|length| {
        let unit = chars.get(..length).unwrap_or_default();
        chars.len() > length && chars.chunks(length).all(|chunk| unit.starts_with(chunk))
    })
}

/// Whether the text is a part of a sequence, forwards or backwards.
fn is_sequence(text: &str) -> bool {
    let mut backwards = zeroize::Zeroizing::new(String::with_capacity(text.len()));
    backwards.extend(text.chars().rev());
    let found = |sequence: &str| sequence.contains(text) || sequence.contains(backwards.as_str());
    !text.is_empty() && SEQUENCES.iter().any(|sequence| found(sequence))
}
