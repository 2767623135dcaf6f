//! What is done by a grant: a transaction that holds the grant's line of the audit trail as well.

use super::Grant;
use crate::store::{self, Store, Tx};
use std::ops::{Deref, DerefMut};

/// What was allowed, while it is done; dropped without [`Deed::commit`], nothing of it was.
pub struct Deed<'a> {
    grant: &'a Grant,
    store: &'a Store,
    tx: Tx,
}

impl Grant {
    /// Begins what was allowed, in a transaction of its own that only the leader makes.
    ///
    /// # Errors
    /// As [`Store::begin_led`].
    pub async fn begin<'a>(&'a self, store: &'a Store) -> store::Result<Deed<'a>> {
        let tx = store.begin_led().await?;
        Ok(Deed {
            grant: self,
            store,
            tx,
        })
    }
}

impl Deed<'_> {
    /// Makes all of it hold, together with the line of the trail that allowed it.
    ///
    /// # Errors
    /// When the database refuses; then nothing of it holds.
    pub async fn commit(mut self) -> store::Result<()> {
        let done = async {
            self.grant.record(&mut self.tx).await?;
            self.store.commit(self.tx).await
        };
        let done = done.await;
        self.grant.settle(&done);
        done
    }
}

impl Deref for Deed<'_> {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl DerefMut for Deed<'_> {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}
