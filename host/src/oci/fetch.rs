//! Fetches a component of a registry into the store, and reads it from there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::client::RegistryClient;
use super::digest::ContentDigest;
use super::error::OciError;
use super::manifest::{self, MAX_COMPONENT, MAX_MANIFEST};
use super::reference::{ComponentReference, Repository, TagOrDigest};
use super::signature::{self, MAX_SIGNED, Signature, SignatureError, SignatureKey};
use super::store::OciStore;

/// How long the first question for a tag may take if it is known what it has meant.
const FIRST_QUESTION: Duration = Duration::from_secs(3);

/// Fetches components, and reads those that are fetched.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) client: RegistryClient,
    pub(super) store: Arc<Result<OciStore, OciError>>,
    /// If there are keys, a component has to be signed with one of them.
    pub(super) keys: Arc<[SignatureKey]>,
    /// How long it may take to fetch a component.
    pub(super) timeout: Duration,
}

/// What a component is now.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The digest of its manifest.
    pub(super) digest: ContentDigest,
    /// Why it is not what the registry has now, or why that is not known.
    pub(super) failure: Option<OciError>,
}

impl Fetcher {
    /// Makes a component ready to be read. If that fails, it is what it was: `known`, or what the store has.
    pub(super) async fn fetch(
        &self,
        reference: &ComponentReference,
        known: Option<ContentDigest>,
    ) -> Result<Fetched, OciError> {
        let store = self.store()?;
        let before = known.or_else(|| store.tag(reference));
        let within = if known.is_none() && before.is_some() { FIRST_QUESTION.min(self.timeout) } else { self.timeout };
        let failure = match self.fetch_version(reference, within).await {
            Ok(digest) => {
                if reference.is_tag() && store.tag(reference) != Some(digest) {
                    store.set_tag(reference, digest)?;
                }
                return Ok(Fetched { digest, failure: None });
            }
            Err(failure) => failure,
        };
        match before.filter(|_| reference.is_tag()) {
            Some(digest) if read(store, &self.keys, &digest).is_ok() => Ok(Fetched { digest, failure: Some(failure) }),
            _ => Err(failure),
        }
    }

    /// Makes the version that a reference names now ready to be read. A tag has to be known `within` some time.
    async fn fetch_version(&self, reference: &ComponentReference, within: Duration) -> Result<ContentDigest, OciError> {
        let digest = match &reference.version {
            TagOrDigest::Digest(digest) => *digest,
            TagOrDigest::Tag(tag) => within_time(within, self.digest_of_tag(&reference.repository, tag)).await?,
        };
        self.ensure(&reference.repository, &digest).await?;
        Ok(digest)
    }

    /// Makes what a manifest names ready to be read: what is not in the store is fetched.
    pub(super) async fn ensure(&self, repository: &Repository, digest: &ContentDigest) -> Result<(), OciError> {
        if !self.keys.is_empty() && read_signature(self.store()?, &self.keys, digest).is_err() {
            within_time(self.timeout, self.fetch_signature(repository, digest)).await?;
        }
        // What is altered was removed.
        match read(self.store()?, &self.keys, digest) {
            Err(OciError::NotFetched | OciError::Altered { .. }) => {
                let fetched = within_time(self.timeout, self.fetch_content(repository, digest)).await;
                // A manifest is kept also if what it names cannot be fetched.
                self.store()?.prune();
                fetched
            }
            read => read.map(drop),
        }
    }

    async fn digest_of_tag(&self, repository: &Repository, tag: &str) -> Result<ContentDigest, OciError> {
        if let Some(digest) = self.client.digest_of_tag(repository, tag).await? {
            return Ok(digest);
        }
        let manifest = self.client.manifest(repository, &TagOrDigest::Tag(tag.to_owned())).await?;
        Ok(ContentDigest::of(&manifest))
    }

    async fn fetch_content(&self, repository: &Repository, digest: &ContentDigest) -> Result<(), OciError> {
        let store = self.store()?;
        let manifest = match store.read(digest, MAX_MANIFEST) {
            Ok(Some(manifest)) => manifest,
            _ => {
                let manifest = self.client.manifest(repository, &TagOrDigest::Digest(*digest)).await?;
                store.put(*digest, &manifest)?;
                manifest.into()
            }
        };
        let component = manifest::component(&manifest)?;
        if matches!(store.read(&component.digest, MAX_COMPONENT), Ok(Some(_))) {
            return Ok(());
        }
        let mut writer = store.write(component.digest)?;
        self.client.blob(repository, &component, &mut writer).await?;
        writer.finish()
    }

    /// Fetches a signature that is accepted.
    async fn fetch_signature(&self, repository: &Repository, digest: &ContentDigest) -> Result<(), OciError> {
        let store = self.store()?;
        let artifact = match self.client.manifest(repository, &TagOrDigest::Tag(signature::tag(digest))).await {
            Err(OciError::NotFound { .. }) => return Err(SignatureError::Unsigned.into()),
            artifact => artifact?,
        };
        let mut refused = SignatureError::Unsigned;
        for (signature, signed) in signature::signatures(&artifact) {
            if !matches!(store.read(&signed.digest, MAX_SIGNED), Ok(Some(_))) {
                let mut writer = store.write(signed.digest)?;
                self.client.blob(repository, &signed, &mut writer).await?;
                writer.finish()?;
            }
            let signed = store.read(&signed.digest, MAX_SIGNED)?.ok_or(OciError::NotFetched)?;
            let signature = Signature::of(signature, signed);
            match signature.verify(&self.keys, digest) {
                Ok(()) => return store.set_signature(digest, &signature.write()),
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    fn store(&self) -> Result<&OciStore, OciError> {
        self.store.as_ref().as_ref().map_err(Clone::clone)
    }
}

/// Reads the component of a manifest out of the store. All of it is checked each time.
pub(super) fn read(store: &OciStore, keys: &[SignatureKey], digest: &ContentDigest) -> Result<Vec<u8>, OciError> {
    if !keys.is_empty() {
        read_signature(store, keys, digest)?;
    }
    let manifest = store.read(digest, MAX_MANIFEST)?.ok_or(OciError::NotFetched)?;
    let component = manifest::component(&manifest)?;
    store.read(&component.digest, MAX_COMPONENT)?.ok_or(OciError::NotFetched)
}

fn read_signature(store: &OciStore, keys: &[SignatureKey], digest: &ContentDigest) -> Result<(), OciError> {
    // In base64, with the signature.
    let kept = store.signature(digest, 2 * MAX_SIGNED).and_then(|text| Signature::read(&text));
    Ok(kept.ok_or(SignatureError::Unsigned)?.verify(keys, digest)?)
}

async fn within_time<T>(limit: Duration, work: impl Future<Output = Result<T, OciError>>) -> Result<T, OciError> {
    timeout(limit, work).await.unwrap_or(Err(OciError::Late(limit)))
}
