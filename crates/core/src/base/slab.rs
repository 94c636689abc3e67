//! A table whose places are used again, with keys that know their generation: a key of a thing
//! that is gone finds nothing, so a late event for it is simply dropped.

use alloc::vec::Vec;
use core::marker::PhantomData;

/// The name of one thing in a [`Slab`], never given twice.
pub struct Key<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key from its parts, for drivers that name things themselves.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation, of: PhantomData }
    }

    /// The place in the table: small, and used again after the thing is gone.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How many things had this place before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

// Written out, because derives would ask the same of T.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}
impl<T> Eq for Key<T> {}
impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.index, self.generation).cmp(&(other.index, other.generation))
    }
}
impl<T> core::hash::Hash for Key<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.index, self.generation).hash(state);
    }
}
impl<T> core::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

/// Things of one kind, found by [`Key`] in constant time. `K` is the kind that keys name.
#[derive(Debug)]
pub struct Slab<K, V> {
    places: Vec<(u32, Option<V>)>,
    free: Vec<u32>,
    kind: PhantomData<fn() -> K>,
}

impl<K, V> Default for Slab<K, V> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), kind: PhantomData }
    }
}

impl<K, V> Slab<K, V> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a thing in and names it.
    pub fn insert(&mut self, value: V) -> Key<K> {
        self.insert_with(|_| value)
    }

    /// Puts a thing in that wants to know its name.
    pub fn insert_with(&mut self, make: impl FnOnce(Key<K>) -> V) -> Key<K> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() as u32 - 1
        });
        let place = &mut self.places[index as usize];
        let key = Key::new(index, place.0);
        place.1 = Some(make(key));
        key
    }

    /// Takes a thing out; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key<K>) -> Option<V> {
        let place = self.places.get_mut(key.index())?;
        if place.0 != key.generation() {
            return None;
        }
        let value = place.1.take()?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The thing of this name.
    #[must_use]
    pub fn get(&self, key: Key<K>) -> Option<&V> {
        let (generation, value) = self.places.get(key.index())?;
        if *generation == key.generation() { value.as_ref() } else { None }
    }

    /// The thing of this name, to change it.
    #[must_use]
    pub fn get_mut(&mut self, key: Key<K>) -> Option<&mut V> {
        let (generation, value) = self.places.get_mut(key.index())?;
        if *generation == key.generation() { value.as_mut() } else { None }
    }

    /// All things with their names, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key<K>, &V)> + '_ {
        self.places.iter().enumerate().filter_map(|(index, (generation, value))| {
            value.as_ref().map(|value| (Key::new(index as u32, *generation), value))
        })
    }

    /// All things with their names, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key<K>, &mut V)> + '_ {
        self.places.iter_mut().enumerate().filter_map(|(index, (generation, value))| {
            value.as_mut().map(|value| (Key::new(index as u32, *generation), value))
        })
    }

    /// How many things there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_thing_that_is_gone_finds_nothing() {
        let mut slab: Slab<(), u8> = Slab::new();
        let first = slab.insert(1);
        assert_eq!(slab.remove(first), Some(1));
        let second = slab.insert(2);
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&2));
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.iter().count(), 1);
    }
}
