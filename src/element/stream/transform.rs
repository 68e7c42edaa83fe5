// SPDX-License-Identifier: MPL-2.0

//! The way of one frame: what becomes of it, its restoration in the streaming thread or in flight, and what is done if that fails.

use std::{mem, time::Instant};

use gst::prelude::*;
use gst_base::{
    prelude::*,
    subclass::base_transform::{GenerateOutputSuccess, PrepareOutputBufferSuccess},
};
use gst_video::{VideoFrameRef, prelude::*};

use super::{
    adaptation::Adaptation,
    buffers::FrameFailure,
    context::Context,
    deblurrers::FrameOptions,
    formats::pictures,
    in_flight::{CollectedFrame, Frame, NextFrame, SubmittedFrame},
    lateness,
    loading::LoadedModel,
    state::State,
};
use crate::{
    element::{
        enums::OnError,
        errors::{text, to_message},
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
    state.discontinuity |= decision != Decision::Restore;
    state.drop_frame = decision == Decision::Drop;
    decision
}

/// Restores a frame in the streaming thread.
///
/// # Errors
/// [`gst::FlowError::Flushing`] if it was cancelled, and errors that are also posted.
pub fn restore(
    state: &mut State,
    context: Context<'_>,
    inframe: &VideoFrameRef<&gst::BufferRef>,
    outframe: &mut VideoFrameRef<&mut gst::BufferRef>,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    if mem::take(&mut state.drop_frame) {
        return Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED);
    }
    let (original, mut out) = pictures(inframe, outframe).map_err(|error| post_unusable(context, &error))?;
    let flags = inframe.buffer().flags();
    if flags.contains(gst::BufferFlags::GAP) {
        pass_gap(state, context);
        out.copy(&original);
    } else {
        restore_pictures(state, context, &original, &mut out, flags)?;
    }
    Ok(gst::FlowSuccess::Ok)
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
                prior_age: deblurrers.prior_age(),
                cost: started.elapsed(),
            };
            record(state, context, frame);
        }
        Err(error) => {
            handle_failure(state, context, &error)?;
            out.copy(original);
        }
    }
    Ok(())
}

/// Submits `buffer`, if a frame has arrived, and returns the frame that goes on, if one is due. `prepare_out` returns the output buffer.
///
/// # Errors
/// As [`restore`].
pub fn generate(
    state: &mut State,
    context: Context<'_>,
    buffer: Option<gst::Buffer>,
    prepare_out: impl FnOnce(&gst::Buffer) -> Result<PrepareOutputBufferSuccess, gst::FlowError>,
) -> Result<GenerateOutputSuccess, gst::FlowError> {
    if let Some(buffer) = buffer {
        submit(state, context, buffer, prepare_out)?;
    }
    let due = state.in_flight.as_ref().is_some_and(|in_flight| in_flight.is_due());
    let next = if due { next_output(state, context)? } else { None };
    Ok(next.map_or(GenerateOutputSuccess::NoOutput, GenerateOutputSuccess::Buffer))
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
    let mut frame = in_flight
        .frame(buffer, out, options)
        .map_err(|failure| post_unusable(context, &failure))?;
    if flags.contains(gst::BufferFlags::GAP) {
        frame
            .copy_original()
            .map_err(|failure| post_unusable(context, &failure))?;
        pass_gap(state, context);
        let out = output(state, context, frame)?;
        if let Some(in_flight) = &mut state.in_flight {
            in_flight.push_unchanged(out);
        }
        return Ok(());
    }
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
        prior_age,
        result,
    } = submitted.collect();
    match result {
        Ok((timing, cost)) => {
            let frame = RestoredFrame {
                timing,
                reduction,
                prior_age,
                cost,
            };
            record(state, context, frame);
        }
        Err(FrameFailure::Engine(error)) => {
            handle_failure(state, context, &error)?;
            frame
                .copy_original()
                .map_err(|failure| post_unusable(context, &failure))?;
        }
        Err(failure) => return Err(post_unusable(context, &failure)),
    }
    output(state, context, frame)
}

/// Returns the output buffer of a frame that goes on.
fn output(state: &mut State, context: Context<'_>, frame: Frame) -> Result<gst::Buffer, gst::FlowError> {
    let (out, scratch) = frame.into_output();
    if let Some(in_flight) = &mut state.in_flight {
        in_flight.recycle(scratch);
    }
    out.map_err(|failure| post_unusable(context, &failure))
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
    state.failing = false;
    context.shared().stats.restored(frame);
    context.update_latency();
}

/// Does what `on-error` says about a frame that could not be restored. If it returns `Ok`, the original goes on.
fn handle_failure(state: &mut State, context: Context<'_>, error: &Error) -> Result<(), gst::FlowError> {
    state.discontinuity = true;
    // Whoever flushes or stops the element knows.
    if matches!(error, Error::Cancelled) {
        return Err(gst::FlowError::Flushing);
    }
    state.graph_failed |= matches!(error, Error::Inference { .. });
    match context.frame_settings().on_error {
        OnError::Fail => {
            context.element.post_error_message(to_message(error));
            Err(gst::FlowError::Error)
        }
        OnError::Passthrough => {
            // One warning for consecutive frames that fail.
            if mem::replace(&mut state.failing, true) {
                gst::debug!(CAT, obj = context.element, "{error}");
            } else {
                let text = text(error);
                gst::element_warning!(
                    context.element,
                    gst::StreamError::Failed,
                    ("{text}; frames are passed through unchanged")
                );
            }
            context.shared().stats.passed_through();
            Ok(())
        }
    }
}

/// Posts that a buffer does not hold a frame.
fn post_unusable(context: Context<'_>, error: &impl std::error::Error) -> gst::FlowError {
    gst::element_error!(context.element, gst::StreamError::Format, ("{error}"));
    gst::FlowError::Error
}

/// Posts that a frame arrived before caps, unless it is because the element stops while it loads the model for them.
fn post_no_caps(context: Context<'_>) -> gst::FlowError {
    if context.shared().stopping {
        return gst::FlowError::Flushing;
    }
    gst::element_error!(
        context.element,
        gst::CoreError::Negotiation,
        ("a frame arrived before its caps")
    );
    gst::FlowError::NotNegotiated
}
