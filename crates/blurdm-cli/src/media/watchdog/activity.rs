// SPDX-License-Identifier: MPL-2.0

//! What moves in the pipelines of this process, and which calls into elements are in progress, as GStreamer's tracing hooks report them.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, Once},
    thread::{self, ThreadId},
};

use gst::{glib, prelude::*, subclass::prelude::*};

use super::stillness::Counts;
use crate::{media::messages, sync::lock};

/// The factory of the element that runs the model.
const MODEL: &str = "blurdm";

/// Classes of elements in which a thread waits for another one by design.
const WAITING: [&str; 2] = ["Sink", "Muxer"];

/// A call in progress.
#[derive(Debug, Clone)]
enum Call {
    /// A buffer or an event is passed on from this pad.
    Push(gst::Pad),
    /// This pad asks for a part of the file.
    Pull(gst::Pad),
    /// Its state is changed; `true` where that starts it. To stop an element is to wait for its threads.
    State(gst::Element, bool),
}

#[derive(Debug, Default)]
struct Activity {
    moved: u64,
    read: u64,
    /// Of each thread, from the outermost to the innermost.
    calls: HashMap<ThreadId, Vec<Call>>,
    /// The last one that has ended.
    last: Option<Call>,
    errors: Vec<PostedError>,
}

/// An error that an element has posted, whether or not it has come out of its pipeline.
#[derive(Debug, Clone)]
pub struct PostedError {
    pub source: glib::WeakRef<gst::Object>,
    pub text: String,
}

static ACTIVITY: LazyLock<Mutex<Activity>> = LazyLock::new(Mutex::default);

/// Observes all pipelines of this process from now on. GStreamer must be initialised.
pub fn observe() {
    static ONCE: Once = Once::new();
    // The hooks last as long as the process, and so does the object that they belong to.
    ONCE.call_once(|| std::mem::forget(glib::Object::new::<Observer>()));
}

pub fn counts() -> Counts {
    let (moved, read, innermost) = {
        let activity = lock(&ACTIVITY);
        let innermost: Vec<Call> = activity
            .calls
            .values()
            .filter_map(|calls| calls.last())
            .cloned()
            .collect();
        (activity.moved, activity.read, innermost)
    };
    let elements = innermost.iter().filter_map(Call::element);
    let is_model = |element: gst::Element| element.factory().is_some_and(|factory| factory.name() == MODEL);
    Counts {
        moved,
        read,
        is_model_at_work: elements.into_iter().any(is_model),
    }
}

/// Returns the errors of elements that still exist.
pub fn errors() -> Vec<PostedError> {
    lock(&ACTIVITY).errors.clone()
}

fn record_error(element: &gst::Element, error: &gst::message::Error) {
    let source: &gst::Object = element.upcast_ref();
    // Bins pass on the errors of their elements.
    if error.src() != Some(source) {
        return;
    }
    let error = PostedError {
        source: source.downgrade(),
        text: messages::error_text(error),
    };
    let mut activity = lock(&ACTIVITY);
    activity.errors.retain(|error| error.source.upgrade().is_some());
    activity.errors.push(error);
}

/// Returns the name of the element that holds everything: the one that cannot be started, else one that a thread is in and that waits for no
/// other, else the one that was the last to do something.
pub fn holder() -> Option<String> {
    let (innermost, last) = {
        let activity = lock(&ACTIVITY);
        let innermost: Vec<Call> = activity
            .calls
            .values()
            .filter_map(|calls| calls.last())
            .cloned()
            .collect();
        (innermost, activity.last.clone())
    };
    let starting = innermost.iter().filter(|call| matches!(call, Call::State(_, true)));
    let at_work = innermost
        .iter()
        .filter(|call| matches!(call, Call::Push(_) | Call::Pull(_)));
    let at_work = at_work
        .filter_map(Call::element)
        .filter(|element| !waits_by_design(element));
    let stopping = innermost.iter().filter(|call| matches!(call, Call::State(_, false)));
    let holder = starting
        .filter_map(Call::element)
        .chain(at_work)
        .chain(last.iter().chain(stopping).filter_map(Call::element))
        .next();
    holder.map(|element| element.name().into())
}

fn waits_by_design(element: &gst::Element) -> bool {
    let class = element.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
    let is_queue = element
        .factory()
        .is_some_and(|factory| factory.name().contains("queue"));
    is_queue || element.is::<gst::Bin>() || WAITING.iter().any(|waiting| class.contains(waiting))
}

impl Call {
    /// Returns the element that the call is made into.
    fn element(&self) -> Option<gst::Element> {
        match self {
            Self::Push(pad) => pad.peer()?.parent_element(),
            Self::Pull(pad) => pad.parent_element(),
            Self::State(element, _) => Some(element.clone()),
        }
    }
}

fn begin(call: Call) {
    lock(&ACTIVITY)
        .calls
        .entry(thread::current().id())
        .or_default()
        .push(call);
}

fn end(count: impl FnOnce(&mut Activity)) {
    let mut activity = lock(&ACTIVITY);
    let thread = thread::current().id();
    let calls = activity.calls.get_mut(&thread);
    let (call, is_idle) = calls.map_or((None, false), |calls| (calls.pop(), calls.is_empty()));
    if is_idle {
        activity.calls.remove(&thread);
    }
    count(&mut activity);
    let before = std::mem::replace(&mut activity.last, call);
    drop(activity);
    // Perhaps the last reference, which is not given up under a lock.
    drop(before);
}

fn moved(activity: &mut Activity) {
    activity.moved += 1;
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Observer;

    #[glib::object_subclass]
    impl ObjectSubclass for Observer {
        const NAME: &'static str = "BlurdmWatchdog";
        type Type = super::Observer;
        type ParentType = gst::Tracer;
    }

    impl ObjectImpl for Observer {
        fn constructed(&self) {
            self.parent_constructed();
            for hook in [
                TracerHook::PadPushPre,
                TracerHook::PadPushPost,
                TracerHook::PadPushListPre,
                TracerHook::PadPushListPost,
                TracerHook::PadPushEventPre,
                TracerHook::PadPushEventPost,
                TracerHook::PadPullRangePre,
                TracerHook::PadPullRangePost,
                TracerHook::ElementChangeStatePre,
                TracerHook::ElementChangeStatePost,
                TracerHook::ElementPostMessagePre,
            ] {
                self.register_hook(hook);
            }
        }
    }

    impl GstObjectImpl for Observer {}

    impl TracerImpl for Observer {
        fn pad_push_pre(&self, _: u64, pad: &gst::Pad, _: &gst::Buffer) {
            begin(Call::Push(pad.clone()));
        }

        fn pad_push_post(&self, _: u64, _: &gst::Pad, _: Result<gst::FlowSuccess, gst::FlowError>) {
            end(moved);
        }

        fn pad_push_list_pre(&self, _: u64, pad: &gst::Pad, _: &gst::BufferList) {
            begin(Call::Push(pad.clone()));
        }

        fn pad_push_list_post(&self, _: u64, _: &gst::Pad, _: Result<gst::FlowSuccess, gst::FlowError>) {
            end(moved);
        }

        fn pad_push_event_pre(&self, _: u64, pad: &gst::Pad, _: &gst::Event) {
            begin(Call::Push(pad.clone()));
        }

        fn pad_push_event_post(&self, _: u64, _: &gst::Pad, _: bool) {
            end(|_| ());
        }

        fn pad_pull_range_pre(&self, _: u64, pad: &gst::Pad, _: u64, _: u32) {
            begin(Call::Pull(pad.clone()));
        }

        fn pad_pull_range_post(&self, _: u64, _: &gst::Pad, part: Result<&gst::Buffer, gst::FlowError>) {
            // To ask again and again for what is behind the end is not to read.
            end(|activity| activity.read += u64::from(part.is_ok()));
        }

        fn element_change_state_pre(&self, _: u64, element: &gst::Element, change: gst::StateChange) {
            begin(Call::State(element.clone(), change.current() < change.next()));
        }

        fn element_change_state_post(
            &self,
            _: u64,
            _: &gst::Element,
            _: gst::StateChange,
            _: Result<gst::StateChangeSuccess, gst::StateChangeError>,
        ) {
            end(moved);
        }

        fn element_post_message_pre(&self, _: u64, element: &gst::Element, message: &gst::Message) {
            if let gst::MessageView::Error(error) = message.view() {
                record_error(element, error);
            }
        }
    }
}

glib::wrapper! {
    pub struct Observer(ObjectSubclass<imp::Observer>) @extends gst::Tracer, gst::Object;
}
