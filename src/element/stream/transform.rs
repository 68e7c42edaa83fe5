// SPDX-License-Identifier: MPL-2.0

//! The way of one frame: what becomes of it, its restoration in the streaming thread or in flight, and what is done if that fails.

use std::{mem, time::Instant};

use gst::prelude::*;
use gst_base::{
    prelude::*,
    subclass::base_transform::{GenerateOutputSuccess, PrepareOutputBufferSuccess},
};

use super::{
    adaptation::Adaptation,
    buffer_check::check,
    buffers::{FrameFailure, with_pictures},
    context::Context,
    deblurrers::{FrameOptions, Scratch},
    failures::{Failures, post_no_caps},
    in_flight::{CollectedFrame, NextFrame, SubmittedFrame},
    lateness,
    loading::LoadedModel,
    state::State,
};
use crate::{
    element::{
        messages::CAT,
        timing::{deadline::Decision, stats::RestoredFrame},
    },
    engine::Error,
    frame::{Picture, PictureMut},
};

/// Flags of a frame that does not follow the one before it.
const DISCONTINUITY: gst::BufferFlags = gst::BufferFlags::DISCONT.union(gst::BufferFlags::RESYNC);

/// Decides what becomes of a frame before the base class handles it. Changes controlled properties and the level.
pub fn decide(state: &mut State, context: Context<'_>, frame: &gst::BufferRef) -> Decision {
    state.reclaim_deblurrers();
    context.sync_controlled_properties(frame);
    if let Some(info) = &state.info
        && let Err(error) = check(frame, info)
    {
        let handled = handle_failure(state, context, &FrameFailure::Input(error));
        state.refused_frame = handled.err();
        return Decision::PassThrough;
    }
    let settings = context.frame_settings();
    let decision = if settings.is_passthrough() {
        context.shared().stats.passed_through();
        Decision::PassThrough
    } else {
        if settings.adaptive
            && let Some(deblurrers) = &mut state.deblurrers
        {
            let live = state.liveness.get(context);
            state
                .adaptation
                .before_frame(context, &state.loaded, deblurrers, frame, live);
        }
        lateness::decide(context, &mut state.liveness, &mut state.blocked_downstream, frame)
    };
    if decision == Decision::PassThrough {
        state.failures.usable();
    }
    state.discontinuity |= decision != Decision::Restore;
    state.drop_frame = decision == Decision::Drop;
    decision
}

/// Restores `buffer` in the streaming thread, or submits it, if a frame has arrived. Returns the frame that goes on, if one is due.
/// `prepare_out` returns the output buffer.
///
/// # Errors
/// [`gst::FlowError::Flushing`] if it was cancelled, and errors that are also posted.
pub fn generate(
    state: &mut State,
    context: Context<'_>,
    buffer: Option<gst::Buffer>,
    prepare_out: impl FnOnce(&gst::Buffer) -> Result<PrepareOutputBufferSuccess, gst::FlowError>,
) -> Result<GenerateOutputSuccess, gst::FlowError> {
    if let Some(buffer) = buffer {
        if let Some(error) = state.refused_frame.take() {
            return Err(error);
        }
        if state.in_flight.is_none() {
            return restore(state, context, buffer, prepare_out);
        }
        submit(state, context, buffer, prepare_out)?;
    }
    let due = state.in_flight.as_ref().is_some_and(|in_flight| in_flight.is_due());
    let next = if due { next_output(state, context)? } else { None };
    Ok(next.map_or(GenerateOutputSuccess::NoOutput, GenerateOutputSuccess::Buffer))
}

/// Restores a frame in the streaming thread.
fn restore(
    state: &mut State,
    context: Context<'_>,
    buffer: gst::Buffer,
    prepare_out: impl FnOnce(&gst::Buffer) -> Result<PrepareOutputBufferSuccess, gst::FlowError>,
) -> Result<GenerateOutputSuccess, gst::FlowError> {
    if context.element.is_passthrough() {
        return Ok(GenerateOutputSuccess::Buffer(buffer));
    }
    if mem::take(&mut state.drop_frame) {
        return Ok(GenerateOutputSuccess::Dropped);
    }
    let Some(info) = state.info.clone() else {
        return Err(post_no_caps(context));
    };
    let PrepareOutputBufferSuccess::Buffer(mut out) = prepare_out(&buffer)? else {
        return Ok(GenerateOutputSuccess::Buffer(buffer));
    };
    let flags = buffer.flags();
    let restored = with_pictures(&buffer, out.make_mut(), &info, |original, out| {
        state.failures.usable();
        if flags.contains(gst::BufferFlags::GAP) {
            pass_gap(state, context);
            out.copy(original);
            Ok(())
        } else {
            restore_pictures(state, context, original, out, flags)
        }
    });
    match restored {
        Ok(restored) => restored.map(|()| GenerateOutputSuccess::Buffer(out)),
        Err(failure) => {
            handle_failure(state, context, &failure)?;
            Ok(GenerateOutputSuccess::Buffer(buffer))
        }
    }
}

fn restore_pictures(
    state: &mut State,
    context: Context<'_>,
    original: &Picture<'_>,
    out: &mut PictureMut<'_>,
    flags: gst::BufferFlags,
) -> Result<(), gst::FlowError> {
    let started = Instant::now();
    let options = frame_options(context, &state.loaded, &state.adaptation);
    let Some(deblurrers) = &mut state.deblurrers else {
        return Err(post_no_caps(context));
    };
    if mem::take(&mut state.discontinuity) || flags.intersects(DISCONTINUITY) {
        deblurrers.reset_history();
    }
    match deblurrers.restore(original, out, options) {
        Ok(timing) => {
            let frame = RestoredFrame {
                timing,
                reduction: options.reduction,
                prior: deblurrers.prior_in_use(),
                cost: started.elapsed(),
            };
            record(state, context, frame);
        }
        Err(error) => {
            handle_failure(state, context, &error.into())?;
            out.copy(original);
        }
    }
    Ok(())
}

fn submit(
    state: &mut State,
    context: Context<'_>,
    buffer: gst::Buffer,
    prepare_out: impl FnOnce(&gst::Buffer) -> Result<PrepareOutputBufferSuccess, gst::FlowError>,
) -> Result<(), gst::FlowError> {
    let Some(in_flight) = &mut state.in_flight else {
        return Ok(());
    };
    if context.element.is_passthrough() {
        in_flight.push_unchanged(buffer);
        return Ok(());
    }
    if mem::take(&mut state.drop_frame) {
        in_flight.dropped = true;
        return Ok(());
    }
    let PrepareOutputBufferSuccess::Buffer(mut out) = prepare_out(&buffer)? else {
        in_flight.push_unchanged(buffer);
        return Ok(());
    };
    let flags = buffer.flags();
    if mem::take(&mut in_flight.dropped) {
        out.make_mut().set_flags(gst::BufferFlags::DISCONT);
    }
    if in_flight.info.fps().numer() == 0
        && let Some(duration) = buffer.duration()
    {
        context.set_latency_wait(duration.into());
    }
    let options = frame_options(context, &state.loaded, &state.adaptation);
    let is_gap = flags.contains(gst::BufferFlags::GAP);
    let frame = in_flight.frame(buffer.clone(), out, options).and_then(|mut frame| {
        if is_gap {
            frame.copy_original()?;
        }
        Ok(frame)
    });
    let frame = match frame {
        Ok(frame) => frame,
        Err(failure) => {
            handle_failure(state, context, &failure)?;
            push_unchanged(state, buffer);
            return Ok(());
        }
    };
    state.failures.usable();
    if is_gap {
        pass_gap(state, context);
        let (out, scratch) = frame.into_output();
        recycle(state, scratch);
        push_unchanged(state, out);
        return Ok(());
    }
    let Some(in_flight) = &mut state.in_flight else {
        return Ok(());
    };
    let Some(mut deblurrers) = state.deblurrers.take() else {
        return Err(post_no_caps(context));
    };
    if mem::take(&mut state.discontinuity) || flags.intersects(DISCONTINUITY) {
        deblurrers.reset_history();
    }
    in_flight.submit(deblurrers, frame).map_err(|deblurrers| {
        state.deblurrers = Some(*deblurrers);
        gst::element_error!(
            context.element,
            gst::CoreError::Thread,
            ("the thread that restores frames has ended")
        );
        gst::FlowError::Error
    })
}

/// Pushes all frames in flight, before what follows them in the stream. Discards them if one cannot be pushed.
pub fn drain(state: &mut State, context: Context<'_>) {
    state.reclaim_deblurrers();
    while state.in_flight.as_ref().is_some_and(|in_flight| !in_flight.is_empty()) {
        let pushed = match next_output(state, context) {
            Ok(Some(buffer)) => context.element.src_pad().push(buffer).map(|_| ()),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = pushed {
            gst::debug!(CAT, obj = context.element, "frames in flight are discarded: {error}");
            state.discard_in_flight();
        }
    }
}

/// Handles the end of a flush: discards the frames in flight and what downstream said about time, and lets frames run again.
pub fn flush(state: &mut State, context: Context<'_>) {
    state.discard_in_flight();
    state.discontinuity = true;
    // The application that flushes may have mended what failed.
    state.failures = Failures::default();
    let canceler = {
        let mut shared = context.shared();
        shared.deadline.flush();
        shared.canceler.clone()
    };
    if let Some(canceler) = canceler {
        canceler.resume();
    }
}

/// Removes the oldest frame in flight, and blocks until it is restored.
fn next_output(state: &mut State, context: Context<'_>) -> Result<Option<gst::Buffer>, gst::FlowError> {
    match state.in_flight.as_mut().and_then(|in_flight| in_flight.next()) {
        None => Ok(None),
        Some(NextFrame::Done(buffer)) => Ok(Some(buffer)),
        Some(NextFrame::Submitted(frame)) => collect(state, context, *frame).map(Some),
    }
}

fn collect(state: &mut State, context: Context<'_>, submitted: SubmittedFrame) -> Result<gst::Buffer, gst::FlowError> {
    let CollectedFrame {
        mut frame,
        reduction,
        prior,
        result,
    } = submitted.collect();
    match result {
        Ok((timing, cost)) => {
            let frame = RestoredFrame {
                timing,
                reduction,
                prior,
                cost,
            };
            record(state, context, frame);
        }
        Err(failure) => {
            handle_failure(state, context, &failure)?;
            if frame.copy_original().is_err() {
                let (original, scratch) = frame.into_original();
                recycle(state, scratch);
                return Ok(original);
            }
        }
    }
    let (out, scratch) = frame.into_output();
    recycle(state, scratch);
    Ok(out)
}

/// Queues a buffer that goes on as it is, after the frames in flight.
fn push_unchanged(state: &mut State, buffer: gst::Buffer) {
    if let Some(in_flight) = &mut state.in_flight {
        in_flight.push_unchanged(buffer);
    }
}

/// Keeps the scratch of a frame that goes on for another one.
fn recycle(state: &mut State, scratch: Scratch) {
    if let Some(in_flight) = &mut state.in_flight {
        in_flight.recycle(scratch);
    }
}

/// Returns how the next frame is restored.
fn frame_options(context: Context<'_>, loaded: &LoadedModel, adaptation: &Adaptation) -> FrameOptions {
    let settings = context.frame_settings();
    let level = adaptation.level(settings.adaptive);
    FrameOptions {
        sampling: level.sampling(settings.sampling(loaded.prior_smoothing())),
        finish: settings.finish(),
        reduction: level.reduction,
    }
}

/// Takes note of a gap, in which there is nothing to restore: the original goes on.
fn pass_gap(state: &mut State, context: Context<'_>) {
    context.shared().stats.passed_through();
    state.discontinuity = true;
}

/// Takes note of a frame that was restored.
fn record(state: &mut State, context: Context<'_>, frame: RestoredFrame) {
    state.failures.restored();
    context.shared().stats.restored(frame);
    context.update_latency();
}

/// Does what `on-error` says about a frame that could not be restored. If it returns `Ok`, the original goes on.
fn handle_failure(state: &mut State, context: Context<'_>, failure: &FrameFailure) -> Result<(), gst::FlowError> {
    state.discontinuity = true;
    // Whoever flushes or stops the element knows.
    if matches!(failure, FrameFailure::Engine(Error::Cancelled)) {
        return Err(gst::FlowError::Flushing);
    }
    state.graph_failed |= matches!(failure, FrameFailure::Engine(Error::Inference { .. }));
    state.failures.handle(context, failure)
}
