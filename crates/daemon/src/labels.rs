//! Categories and tags.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::client::{Client, Refusal};
use crate::edit::Edit;
use crate::entry::Entry;
use crate::view::Id;

/// Characters of a name, a category or a tag.
const NAME_MAX: usize = 255;
/// Categories, and tags, that there may be.
const LABELS_MAX: usize = 10_000;

impl Client {
    /// Makes a category, or gives one another folder; `None`: that of all.
    ///
    /// # Errors
    /// When its name or folder makes no sense.
    pub fn set_category(&self, name: &str, dir: Option<PathBuf>) -> Result<(), Refusal> {
        let name = label(name).map_err(Refusal::Value)?;
        if let Some(dir) = &dir {
            self.check_dir(dir).map_err(Refusal::Value)?;
        }
        let settings = self.settings();
        if settings.categories.len() >= LABELS_MAX && !settings.categories.contains_key(&name) {
            return Err(Refusal::Value(format!("there are {LABELS_MAX} categories already")));
        }
        self.change_settings(|settings| _ = settings.categories.insert(name, dir))
    }

    /// Forgets categories; torrents in them have none then.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn remove_categories(&self, names: &[String]) -> Result<(), Refusal> {
        self.change_settings(|settings| {
            names.iter().for_each(|name| _ = settings.categories.remove(name));
        })?;
        let of = |entry: &Entry| names.contains(&entry.note.category);
        let ids = self.ids_where(of);
        self.edit(&ids, &Edit { category: Some(String::new()), ..Edit::default() })
    }

    /// Makes tags.
    ///
    /// # Errors
    /// When a name makes no sense.
    pub fn add_tags(&self, names: &[String]) -> Result<(), Refusal> {
        let names: Result<Vec<_>, _> = names.iter().map(|name| label(name)).collect();
        let names = names.map_err(Refusal::Value)?;
        if self.settings().tags.len() + names.len() > LABELS_MAX {
            return Err(Refusal::Value(format!("there may be {LABELS_MAX} tags")));
        }
        self.change_settings(|settings| {
            let all = settings.tags.drain(..).chain(names).collect::<BTreeSet<_>>();
            settings.tags = all.into_iter().collect();
        })
    }

    /// Forgets tags, and takes them from torrents.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn remove_tags(&self, names: &[String]) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.tags.retain(|tag| !names.contains(tag)))?;
        let ids = self.ids_where(|entry| entry.note.tags.iter().any(|tag| names.contains(tag)));
        self.edit(&ids, &Edit { remove_tags: names.to_vec(), ..Edit::default() })
    }

    fn ids_where(&self, is: impl Fn(&Entry) -> bool) -> Vec<Id> {
        self.0.library().iter().filter(|(_, entry)| is(entry)).map(|(id, _)| id).collect()
    }

    /// Makes the category and the tags of a torrent, as far as they are new.
    pub(crate) fn know_labels(&self, category: &str, tags: &[String]) -> Result<(), Refusal> {
        let settings = self.settings();
        if !category.is_empty() && !settings.categories.contains_key(category) {
            self.set_category(category, None)?;
        }
        let news: Vec<String> =
            tags.iter().filter(|tag| !settings.tags.contains(tag)).cloned().collect();
        if news.is_empty() { Ok(()) } else { self.add_tags(&news) }
    }
}

/// A name for people: not empty, not too long, on one line.
pub(crate) fn label(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a name is missing".to_owned()),
        length if length > NAME_MAX => Err(format!("a name has at most {NAME_MAX} characters")),
        _ if text.chars().any(char::is_control) => {
            Err("a name has no control characters".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn optional_label(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Ok(String::new()) } else { label(text) }
}
