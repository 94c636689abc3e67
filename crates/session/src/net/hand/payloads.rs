//! The blocks that wait for the engine's word, under the names that it knows them by.

use toubkal_core::engine::Payload;

use crate::store::Buffer;

/// Received blocks. How many there are is bounded by the pool that their buffers are from.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    places: Vec<Option<Buffer>>,
    free: Vec<u32>,
}

impl Payloads {
    /// Keeps a block and names it.
    pub(crate) fn keep(&mut self, buffer: Buffer) -> Payload {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = Some(buffer);
            return Payload(place);
        }
        self.places.push(Some(buffer));
        Payload(self.places.len() as u32 - 1)
    }

    /// Gives a block out.
    #[expect(clippy::needless_pass_by_value, reason = "a payload is gone when it was redeemed")]
    pub(crate) fn redeem(&mut self, payload: Payload) -> Buffer {
        let Payload(place) = payload;
        let buffer = self.places[place as usize].take();
        self.free.push(place);
        buffer.expect("a payload cannot be cloned, so it is redeemed once")
    }
}
