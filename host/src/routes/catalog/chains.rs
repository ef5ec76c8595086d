//! Routes and their chains: which version of a route serves behind which middleware.
//!
//! Owns that no route serves without middleware that is meant for it: where its chain cannot be had, it serves as it did
//! before, or not at all.

use std::path::Path;
use std::sync::Arc;

use super::Catalog;
use crate::diagnostic::Diagnostic;
use crate::routes::awaited::Claim;
use crate::routes::layer::{ChainError, Found, Layer, chain};
use crate::routes::load::error;
use crate::routes::route::Route;

/// A route with its chain.
#[derive(Debug)]
pub(super) struct Mounted<H> {
    /// What it was made of: the route without its chain.
    of: Arc<Route<H>>,
    /// What serves.
    pub(super) route: Arc<Route<H>>,
}

impl<H> Mounted<H> {
    fn new(of: &Arc<Route<H>>, chain: Vec<Arc<Layer>>) -> Self {
        let route = if chain.is_empty() { of.clone() } else { Arc::new(of.behind(chain)) };
        Self { of: of.clone(), route }
    }

    fn is(&self, of: &Arc<Route<H>>, chain: &[Arc<Layer>]) -> bool {
        let same = |(one, other): (&Arc<Layer>, &Arc<Layer>)| Arc::ptr_eq(one, other);
        let same_chain = self.route.chain.len() == chain.len() && self.route.chain.iter().zip(chain).all(same);
        Arc::ptr_eq(&self.of, of) && same_chain
    }
}

impl<H> Catalog<H> {
    /// Mounts each loaded route behind its chain. What waits for middleware claims its patterns; what cannot have its
    /// chain is told.
    pub(super) fn mount(&mut self) -> (Vec<Claim>, Vec<Diagnostic>) {
        let (mut claims, mut diagnostics, mut mounted) = (Vec::new(), Vec::new(), Vec::new());
        for (file, entry) in &self.entries {
            let Some(route) = &entry.route else { continue };
            match chain(file, &route.mount.middleware, |path| self.layer(path)) {
                Ok(layers) => {
                    let layers: Vec<Arc<Layer>> = layers.into_iter().map(|(_, layer)| layer).collect();
                    if entry.mounted.as_ref().is_none_or(|mounted| !mounted.is(route, &layers)) {
                        mounted.push((file.clone(), Mounted::new(route, layers)));
                    }
                }
                Err(ChainError::Awaited(_)) if entry.mounted.is_some() => {}
                Err(ChainError::Awaited(_)) => claims.push(Claim::At(route.mount.patterns.clone())),
                Err(fault @ (ChainError::Broken(_) | ChainError::Missing(_))) => {
                    let result = match entry.mounted {
                        Some(_) => "the version before it still serves",
                        None => "the route is not served without it",
                    };
                    diagnostics.push(error(file, format!("{fault}; {result}"), fault.remedy()));
                }
            }
        }
        for (file, mounted) in mounted {
            if let Some(entry) = self.entries.get_mut(&file) {
                entry.mounted = Some(mounted);
            }
        }
        (claims, diagnostics)
    }

    /// What is known of a file as middleware.
    fn layer(&self, file: &Path) -> Found<Arc<Layer>> {
        match self.entries.get(file) {
            Some(entry) => match &entry.layer {
                Some(layer) => Found::Loaded(layer.clone()),
                None if entry.loading.is_some() || entry.tried.is_none() => Found::Awaited,
                None => Found::Broken,
            },
            None if self.unread.iter().any(|path| path == file) => Found::Broken,
            None => Found::Nothing,
        }
    }
}
