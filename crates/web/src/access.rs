//! Who may come in: passwords, tokens, and sessions of browsers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, PasswordHash, PasswordVerifier};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Sessions at once; the oldest goes first.
const SESSIONS_MAX: usize = 100;
/// How long one lasts without being used.
const SESSION_TIME: Duration = Duration::from_secs(14 * 24 * 3600);

/// What somebody has to show who comes over TCP.
#[derive(Clone, Default)]
pub struct Credentials {
    /// A name and a password, or its hash as Argon2 writes it (`$argon2id$...`).
    pub user: Option<(String, String)>,
    /// Tokens that do as well: `Authorization: Bearer TOKEN`. At least 16 characters.
    pub tokens: Vec<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// The lock on the door.
pub struct Access {
    user: Option<(String, String)>,
    /// SHA-256 of each.
    tokens: Vec<[u8; 32]>,
    /// Of the password that was right last: Argon2 takes its time on purpose.
    right: Mutex<Option<[u8; 32]>>,
    sessions: Mutex<VecDeque<Session>>,
    /// Random, of this life.
    key: [u8; 32],
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access(..)")
    }
}

struct Session {
    /// SHA-256 of what the browser was given.
    hash: [u8; 32],
    used: Instant,
}

impl Access {
    /// # Errors
    /// When a hash is none, a token is too short, or there is no randomness; in words.
    pub fn new(credentials: &Credentials) -> Result<Self, String> {
        let key = random()?;
        let hash = |(name, password): &(String, String)| {
            let hash = if password.starts_with("$argon2") {
                PasswordHash::new(password)
                    .map_err(|error| format!("the hash of the password is broken: {error}"))?;
                password.clone()
            } else {
                hash(password)?
            };
            Ok::<_, String>((name.clone(), hash))
        };
        let user = credentials.user.as_ref().map(hash).transpose()?;
        if credentials.tokens.iter().any(|token| token.len() < 16) {
            return Err("a token has at least 16 characters".to_owned());
        }
        let tokens = credentials.tokens.iter().map(|token| sha256(&[token.as_bytes()])).collect();
        let (right, sessions) = (Mutex::default(), Mutex::default());
        Ok(Self { user, tokens, right, sessions, key })
    }

    /// Nobody has to show anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.user.is_none() && self.tokens.is_empty()
    }

    /// Whether there is a password to log in with.
    #[must_use]
    pub(crate) fn has_password(&self) -> bool {
        self.user.is_some()
    }

    /// Whether name and password are right. Takes its time, unless they were right just before.
    pub(crate) fn is_user(&self, name: &str, password: &str) -> bool {
        let Some((known, hash)) = &self.user else { return false };
        let mine = sha256(&[&self.key, name.as_bytes(), &[0], password.as_bytes()]);
        let right = *self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.is_some_and(|right| right.ct_eq(&mine).into()) {
            return true;
        }
        // The password is looked at whatever the name is: the time tells nothing.
        let parsed = PasswordHash::new(hash);
        let good = parsed.is_ok_and(|hash| {
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
        let good = good & bool::from(known.as_bytes().ct_eq(name.as_bytes()));
        if good {
            *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(mine);
        }
        good
    }

    pub(crate) fn is_token(&self, token: &str) -> bool {
        let hash = sha256(&[token.as_bytes()]);
        self.tokens.iter().fold(false, |found, known| found | bool::from(known.ct_eq(&hash)))
    }

    /// A new session: what the browser is to show.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn open_session(&self) -> Result<String, String> {
        use base64::Engine;
        let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random()?);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() == SESSIONS_MAX {
            sessions.pop_front();
        }
        sessions.push_back(Session { hash: sha256(&[secret.as_bytes()]), used: Instant::now() });
        Ok(secret)
    }

    pub(crate) fn is_session(&self, secret: &str) -> bool {
        let hash = sha256(&[secret.as_bytes()]);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.used.elapsed() < SESSION_TIME);
        let known = sessions.iter_mut().find(|session| session.hash.ct_eq(&hash).into());
        known.map(|session| session.used = Instant::now()).is_some()
    }

    pub(crate) fn close_session(&self, secret: &str) {
        let hash = sha256(&[secret.as_bytes()]);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| !bool::from(session.hash.ct_eq(&hash)));
    }
}

fn hash(password: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("the password: {error}"))
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

pub(crate) fn random() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let user = Some(("me".to_owned(), "secret".to_owned()));
        Access::new(&Credentials { user, tokens: vec!["0123456789abcdef".to_owned()] }).unwrap()
    }

    #[test]
    fn a_password_is_right_for_its_name_alone() {
        let access = access();
        for _ in 0..2 {
            assert!(access.is_user("me", "secret"));
            assert!(!access.is_user("me", "Secret") && !access.is_user("you", "secret"));
            assert!(!access.is_user("", "") && !access.is_user("mes", "ecret"));
        }
        let hash = access.user.as_ref().unwrap().1.clone();
        let again = Credentials { user: Some(("me".to_owned(), hash)), tokens: vec![] };
        assert!(Access::new(&again).unwrap().is_user("me", "secret"), "from its hash");
    }

    #[test]
    fn a_broken_hash_and_a_short_token_are_refused() {
        let broken = Some(("me".to_owned(), "$argon2id$oops".to_owned()));
        assert!(Access::new(&Credentials { user: broken, tokens: vec![] }).is_err());
        assert!(Access::new(&Credentials { user: None, tokens: vec!["short".into()] }).is_err());
    }

    #[test]
    fn a_session_lasts_until_it_is_closed_and_the_oldest_goes_first() {
        let access = access();
        let first = access.open_session().unwrap();
        let second = access.open_session().unwrap();
        assert!(access.is_session(&first) && access.is_session(&second));
        access.close_session(&first);
        assert!(!access.is_session(&first) && access.is_session(&second));
        for _ in 0..SESSIONS_MAX {
            access.open_session().unwrap();
        }
        assert!(!access.is_session(&second));
        assert!(access.is_token("0123456789abcdef") && !access.is_token("0123456789abcdeg"));
    }
}
