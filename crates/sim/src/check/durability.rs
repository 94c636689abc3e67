//! No record overtakes the data that it speaks of, and nothing is believed that is not so.

use toubkal_core::base::Bitset;

use crate::disk::Disk;

/// A record was kept: what it says is synced is on the disk, whatever happens from here on.
pub(crate) fn recorded(host: usize, disk: &Disk) {
    // A disk that says it is through and is not deceives everybody.
    if disk.has_lied() {
        return;
    }
    let Some(record) = disk.last_record() else { return };
    let durable = disk.pieces(Disk::is_durable);
    let ahead: Vec<u32> = record.synced.minus(&durable).collect();
    assert!(ahead.is_empty(), "host {host} recorded pieces {ahead:?} before they were synced");
    let beside: Vec<u32> = record.synced.minus(&record.verified).collect();
    assert!(beside.is_empty(), "host {host} recorded pieces {beside:?} unverified");
}

/// A host that has just looked at its disk believes this without a check. `doubt`: it knows that
/// its disk may have deceived it.
pub(crate) fn believed(host: usize, disk: &Disk, have: &Bitset, doubt: bool) {
    if disk.has_lied() && doubt {
        return;
    }
    let right = disk.pieces(Disk::is_right);
    let wrong: Vec<u32> = have.minus(&right).collect();
    assert!(wrong.is_empty(), "host {host} believes pieces {wrong:?}, which are wrong");
}
