// SPDX-License-Identifier: MPL-2.0

//! Folders of numbered pictures, and single ones.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageReader, Luma, LumaA, Rgb, Rgba};

use crate::clips::{clip, folder, record, restore, run, stderr, succeed, text};

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

/// A picture of 8-bit RGB that is another one for each number.
fn rgb(number: u32) -> DynamicImage {
    rgb_of(WIDTH, HEIGHT, number)
}

fn rgb_of(width: u32, height: u32, number: u32) -> DynamicImage {
    image::ImageBuffer::from_fn(width, height, |x, y| {
        let edge = if (x + 3 * number) % 40 < 20 { 200 } else { 30 };
        Rgb([edge, (y * 3 % 256) as u8, (x * y + 7 * number) as u8])
    })
    .into()
}

/// Pictures of all kinds of samples.
fn kinds() -> [(&'static str, DynamicImage); 8] {
    let at = |x: u32, y: u32| (x * 683 + y * 17) as u16;
    let small = |x: u32, y: u32| (at(x, y) >> 8) as u8;
    [
        (
            "grey8",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Luma([small(x, y)])).into(),
        ),
        (
            "grey16",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Luma([at(x, y)])).into(),
        ),
        (
            "greya8",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| LumaA([small(x, y), y as u8])).into(),
        ),
        (
            "greya16",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| LumaA([at(x, y), at(y, x)])).into(),
        ),
        ("rgb8", rgb(1)),
        (
            "rgb16",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Rgb([at(x, y), at(y, x), 65535])).into(),
        ),
        (
            "rgba8",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Rgba([small(x, y), 3, 200, x as u8])).into(),
        ),
        (
            "rgba16",
            image::ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| Rgba([at(x, y), 3, 200, at(y, x)])).into(),
        ),
    ]
}

fn save(picture: &DynamicImage, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// Makes `frame_00001.png` and so on in a folder.
fn frames(folder: &Path, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        save(&rgb(number), &folder.join(format!("frame_{number:05}.png")));
    }
}

fn open(path: &Path) -> DynamicImage {
    ImageReader::open(path)
        .unwrap()
        .with_guessed_format()
        .unwrap()
        .decode()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder by their names, with their content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let inner = content(&path).into_iter();
            found.extend(inner.map(|(inner, content)| (format!("{name}/{inner}"), content)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    content(folder).into_keys().collect()
}

/// Makes a picture file that is complete, but of which a part of the pixels is missing.
fn cut(path: &Path) {
    let file = fs::read(path).unwrap();
    fs::write(path, &file[..file.len() * 2 / 3]).unwrap();
}

#[test]
fn a_folder_of_numbered_pictures_is_given_back_with_the_same_names_sizes_and_times() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("frames"), folder.join("restored"));
    frames(&input, 1..=12);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let third = File::options().write(true).open(input.join("frame_00003.png")).unwrap();
    third.set_modified(time).unwrap();
    let done = succeed(&[text(&input), "-o", text(&output)]);
    let mut expected: Vec<String> = (1..=12).map(|number| format!("frame_{number:05}.png")).collect();
    expected.push("frame_%05d.png.json".into());
    expected.sort();
    assert_eq!(names(&output), expected, "{}", stderr(&done));
    let mut changed = 0;
    for number in 1..=12 {
        let restored = open(&output.join(format!("frame_{number:05}.png")));
        assert_eq!(
            (restored.width(), restored.height(), restored.color()),
            (WIDTH, HEIGHT, image::ColorType::Rgb8)
        );
        changed += usize::from(restored != rgb(number));
    }
    assert_eq!(changed, 12, "nothing was restored");
    assert_eq!(
        fs::metadata(output.join("frame_00003.png"))
            .unwrap()
            .modified()
            .unwrap(),
        time
    );
    let record = record(&output.join("frame_%05d.png"));
    assert_eq!(
        (record["enhanced"].as_bool(), record["frames"].as_u64()),
        (Some(true), Some(12))
    );
    assert!(stderr(&done).contains("12 frames"), "{}", stderr(&done));
    let made = fs::metadata(output.join("frame_00005.png")).unwrap().ino();
    let again = succeed(&[text(&input), "-o", text(&output)]);
    assert!(stderr(&again).contains("restored before"), "{}", stderr(&again));
    assert_eq!(fs::metadata(output.join("frame_00005.png")).unwrap().ino(), made);
}

#[test]
fn pixels_that_the_model_leaves_alone_keep_all_their_bits_and_alpha() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    for (kind, picture) in kinds() {
        for number in [1, 2] {
            save(&picture, &input.join(format!("{kind}_{number}.png")));
            if !kind.contains("greya") {
                save(&picture, &input.join(format!("{kind}_{number}.tif")));
            }
            if matches!(kind, "rgb8" | "rgba8") {
                save(&picture, &input.join(format!("{kind}_{number}.webp")));
                save(&picture, &input.join(format!("{kind}_{number}.bmp")));
            }
            if matches!(kind, "rgb8" | "rgb16") {
                save(&picture, &input.join(format!("{kind}_{number}.ppm")));
            }
            if matches!(kind, "grey8" | "grey16") {
                save(&picture, &input.join(format!("{kind}_{number}.pgm")));
            }
        }
    }
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let mut compared = 0;
    for entry in fs::read_dir(&input).unwrap() {
        let original = entry.unwrap().path();
        let restored = output.join(original.file_name().unwrap());
        assert!(open(&original) == open(&restored), "{}", restored.display());
        let format = |path: &Path| image::guess_format(&fs::read(path).unwrap()).unwrap();
        assert_eq!(format(&original), format(&restored));
        compared += 1;
    }
    assert_eq!(compared, 44, "{}", stderr(&done));
}

#[test]
fn alpha_and_the_low_bits_pass_beside_the_model() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    for (kind, picture) in kinds() {
        for number in [1, 2] {
            save(&picture, &input.join(format!("{kind}_{number}.png")));
        }
    }
    succeed(&[text(&input), "-o", text(&output)]);
    for (kind, picture) in kinds() {
        let restored = open(&output.join(format!("{kind}_1.png")));
        assert_eq!(restored.color(), picture.color(), "{kind}");
        assert!(restored != picture, "{kind}");
        let alpha = |picture: &DynamicImage| {
            let pixels = picture.to_rgba16();
            pixels.pixels().map(|pixel| pixel.0[3]).collect::<Vec<u16>>()
        };
        assert!(alpha(&restored) == alpha(&picture), "{kind}");
    }
    // A change is a whole number of 8-bit steps, so what is below them stays.
    let (before, after) = (kinds()[1].1.to_luma16(), open(&output.join("grey16_1.png")).to_luma16());
    let unclipped = before
        .pixels()
        .zip(after.pixels())
        .filter(|(_, after)| !matches!(after.0[0], 0 | u16::MAX));
    let changes: Vec<i32> = unclipped
        .map(|(before, after)| i32::from(after.0[0]) - i32::from(before.0[0]))
        .collect();
    assert!(changes.len() > 1000 && changes.iter().all(|change| change % 257 == 0));
}

#[test]
fn a_missing_number_is_told_and_is_not_the_end() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("frames"), folder.join("out"));
    frames(&input, [1, 2, 5, 6, 7]);
    let done = succeed(&[text(&input), "-o", text(&output)]);
    assert!(
        stderr(&done).contains("the numbers 3 to 4 have no picture"),
        "{}",
        stderr(&done)
    );
    assert!(output.join("frame_00007.png").exists());
    assert_eq!(record(&output.join("frame_%05d.png"))["frames"], 5);
}

#[test]
fn a_damaged_picture_is_told_with_exit_status_3_and_the_others_are_restored() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("frames"), folder.join("out"));
    frames(&input, 1..=6);
    cut(&input.join("frame_00003.png"));
    fs::write(input.join("frame_00004.png"), "no picture").unwrap();
    let done = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
    for name in ["frame_00003.png is not restored", "frame_00004.png is not restored"] {
        assert!(stderr(&done).contains(name), "{}", stderr(&done));
    }
    let expected = [1, 2, 5, 6].map(|number| format!("frame_{number:05}.png"));
    let written = names(&output);
    assert_eq!(
        written.iter().filter(|name| name.ends_with(".png")).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    // Nothing is left to be done, and the damage is not forgotten.
    let again = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
    for told in ["restored before", "frame_00003.png is not restored"] {
        assert!(stderr(&again).contains(told), "{}", stderr(&again));
    }
    // A picture that has been repaired is restored, and nothing else.
    let first = fs::metadata(output.join("frame_00001.png")).unwrap().ino();
    frames(&input, 3..=4);
    let repaired = succeed(&[text(&input), "-o", text(&output)]);
    assert!(stderr(&repaired).contains("4 restored before"), "{}", stderr(&repaired));
    assert_eq!(fs::metadata(output.join("frame_00001.png")).unwrap().ino(), first);
    assert!(output.join("frame_00003.png").exists());
}

#[test]
fn where_no_picture_can_be_decoded_the_clip_has_failed() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("frames"), folder.join("out"));
    frames(&input, 1..=3);
    for number in 1..=3 {
        cut(&input.join(format!("frame_{number:05}.png")));
    }
    let done = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
    assert!(
        stderr(&done).contains("frame_%05d.png' cannot be read"),
        "{}",
        stderr(&done)
    );
    assert_eq!(names(&output), Vec::<String>::new());
}

#[test]
fn a_jpeg_that_is_cut_off_is_restored_as_far_as_it_goes_and_told() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    for number in 1..=3 {
        save(&rgb(number), &input.join(format!("DSC0123{number}.JPG")));
    }
    cut(&input.join("DSC01232.JPG"));
    let done = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
    assert!(
        stderr(&done).contains("DSC01232.JPG is damaged: it is cut off"),
        "{}",
        stderr(&done)
    );
    assert_eq!(open(&output.join("DSC01232.JPG")).height(), HEIGHT);
    // The whole picture, which has come meanwhile, takes the place of what was made of its beginning.
    save(&rgb(2), &input.join("DSC01232.JPG"));
    succeed(&[text(&input), "-o", text(&output)]);
    let fresh = folder.join("fresh");
    succeed(&[text(&input), "-o", text(&fresh)]);
    assert!(fs::read(output.join("DSC01232.JPG")).unwrap() == fs::read(fresh.join("DSC01232.JPG")).unwrap());
}

#[test]
fn folders_with_videos_covers_and_several_runs_are_sorted_out() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir_all(&input).unwrap();
    clip(&input.join("ride.mp4"), 12, "mp4mux");
    for name in [
        "cover.jpg",
        "ride.jpg",
        ".hidden_1.png",
        ".hidden_2.png",
        "a/left_1.png",
        "a/left_2.png",
        "a/left_10.png",
        "a/right_1.PNG",
        "a/right_2.PNG",
        "b/take1_001.png",
        "b/take1_002.png",
        "b/take2_001.png",
        "b/take2_002.png",
        "b/single7.png",
    ] {
        save(&rgb(1), &input.join(name));
    }
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let written: Vec<String> = names(&output)
        .into_iter()
        .filter(|name| !name.ends_with(".json"))
        .collect();
    let expected = [
        "a/left_1.png",
        "a/left_10.png",
        "a/left_2.png",
        "a/right_1.PNG",
        "a/right_2.PNG",
        "b/take1_001.png",
        "b/take1_002.png",
        "b/take2_001.png",
        "b/take2_002.png",
        "ride.mp4",
    ];
    assert_eq!(written, expected, "{}", stderr(&done));
    assert!(stderr(&done).contains("5 files: 5 restored"), "{}", stderr(&done));
    let order = record(&output.join("a/left_%d.png"));
    let order: Vec<&str> = order["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|picture| picture["name"].as_str().unwrap())
        .collect();
    assert_eq!(order, ["left_1.png", "left_2.png", "left_10.png"]);
    let none = run(&[text(&input.join("b/single7.png")), "-o", text(&folder.join("x.mp4"))]);
    assert_eq!(none.status.code(), Some(2));
    let lone = folder.join("lone");
    save(&rgb(1), &lone.join("photo.jpg"));
    let refused = run(&[text(&lone), "-o", text(&output)]);
    assert!(stderr(&refused).contains("named itself"), "{}", stderr(&refused));
}

#[test]
fn links_to_pictures_are_followed_and_their_targets_are_not_written() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    let real = folder.join("elsewhere.png");
    save(&rgb(1), &real);
    fs::create_dir(&input).unwrap();
    for number in 1..=3 {
        symlink(&real, input.join(format!("{number}.png"))).unwrap();
    }
    let before = fs::read(&real).unwrap();
    fs::create_dir(&output).unwrap();
    symlink(folder.join("victim"), output.join("2.png")).unwrap();
    let refused = run(&[text(&input), "-o", text(&output), "--overwrite"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("2.png' cannot be written") && stderr(&refused).contains("a link"),
        "{}",
        stderr(&refused)
    );
    assert!(!folder.join("victim").exists() && fs::read_dir(&output).unwrap().count() == 1);
    fs::remove_file(output.join("2.png")).unwrap();
    succeed(&[text(&input), "-o", text(&output)]);
    assert_eq!(fs::read(&real).unwrap(), before);
    assert!(fs::symlink_metadata(output.join("2.png")).unwrap().is_file());
}

#[test]
fn originals_and_files_of_others_are_safe() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    frames(&input, 1..=3);
    let before = content(&input);
    for target in [input.clone(), folder.join("in/../in")] {
        let refused = run(&[text(&input), "-o", text(&target), "--overwrite"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("is an original"), "{}", stderr(&refused));
    }
    fs::create_dir(&output).unwrap();
    fs::write(output.join("frame_00002.png"), "mine").unwrap();
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("frame_00002.png' already exists; --overwrite"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(names(&output), ["frame_00002.png"]);
    assert_eq!(fs::read(output.join("frame_00002.png")).unwrap(), b"mine");
    succeed(&[text(&input), "-o", text(&output), "--overwrite"]);
    assert_eq!(open(&output.join("frame_00002.png")).width(), WIDTH);
    assert_eq!(content(&input), before);
    // What was edited since then is no longer ours.
    save(&rgb(9), &output.join("frame_00001.png"));
    let edited = fs::read(output.join("frame_00001.png")).unwrap();
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert!(
        stderr(&refused).contains("frame_00001.png' already exists"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(fs::read(output.join("frame_00001.png")).unwrap(), edited);
}

#[test]
fn two_clips_are_not_written_to_one_place() {
    let (_folder, folder) = folder();
    frames(&folder.join("a"), 1..=2);
    frames(&folder.join("b"), 1..=2);
    let (a, b) = (folder.join("a"), folder.join("b"));
    let refused = run(&[text(&a), text(&b), "-o", text(&folder.join("out"))]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("would both be restored"),
        "{}",
        stderr(&refused)
    );
    // Names of another pattern that meet in a picture.
    save(&rgb(1), &folder.join("c/frame_1.png"));
    save(&rgb(1), &folder.join("c/frame_00002.png"));
    let refused = run(&[text(&a), text(&folder.join("c")), "-o", text(&folder.join("out"))]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("written for another file of this run"),
        "{}",
        stderr(&refused)
    );
}

/// Waits until a file is there.
fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{} never came",
            path.display()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_run_continues_with_what_is_missing_and_gives_the_same_bytes() {
    let (_folder, folder) = folder();
    let input = folder.join("frames");
    frames(&input, 50..=150);
    let (whole, resumed) = (folder.join("whole"), folder.join("resumed"));
    succeed(&[text(&input), "-o", text(&whole)]);
    for stop in [53, 70, 120] {
        let mut child = restore(&[text(&input), "-o", text(&resumed)]).spawn().unwrap();
        wait_for(&resumed.join(format!("frame_{stop:05}.png")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(resumed.join("frame_%05d.png.blurdm").exists());
        assert!(!resumed.join("frame_%05d.png.json").exists());
    }
    let first = fs::metadata(resumed.join("frame_00050.png")).unwrap().ino();
    let done = succeed(&[text(&input), "-o", text(&resumed)]);
    assert!(stderr(&done).contains("resumed, 101 frames"), "{}", stderr(&done));
    assert_eq!(fs::metadata(resumed.join("frame_00050.png")).unwrap().ino(), first);
    let pictures = |folder: &Path| {
        let mut content = content(folder);
        content.remove("frame_%05d.png.json");
        content
    };
    assert_eq!(pictures(&whole).len(), 101);
    assert!(pictures(&whole) == pictures(&resumed), "{:?}", names(&resumed));
}

#[test]
fn a_picture_that_was_replaced_before_the_work_continues_is_restored_again_though_size_and_time_are_kept() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    let bmp = |number: u32, of: u32| {
        let path = input.join(format!("{number:03}.bmp"));
        save(&rgb(of), &path);
        path
    };
    (1..=100).for_each(|number| drop(bmp(number, number)));
    let mut child = restore(&[text(&input), "-o", text(&output)]).spawn().unwrap();
    wait_for(&output.join("005.bmp"));
    child.kill().unwrap();
    child.wait().unwrap();
    let time = fs::metadata(input.join("002.bmp")).unwrap().modified().unwrap();
    let replaced = bmp(2, 33);
    File::options()
        .write(true)
        .open(&replaced)
        .unwrap()
        .set_modified(time)
        .unwrap();
    succeed(&[text(&input), "-o", text(&output)]);
    let fresh = folder.join("fresh");
    succeed(&[text(&input), "-o", text(&fresh)]);
    assert!(fs::read(output.join("002.bmp")).unwrap() == fs::read(fresh.join("002.bmp")).unwrap());
}

#[test]
fn ctrl_c_keeps_what_is_complete() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    frames(&input, 1..=400);
    let mut child = restore(&[text(&input), "-o", text(&output)]).spawn().unwrap();
    wait_for(&output.join("frame_00004.png"));
    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for entry in fs::read_dir(&output).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert_eq!(open(&path).width(), WIDTH);
        }
    }
    assert!(!output.join("frame_00400.png").exists());
}

/// Returns JPEG with EXIF data that turns the picture to the left, a colour profile, a comment and a resolution of 300 dpi.
fn jpeg_with_metadata(number: u32) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let exif = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0".as_slice()].concat();
    let profile = vec![7; 1000];
    let mut encoded = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut encoded, 95);
    encoder.set_pixel_density(image::codecs::jpeg::PixelDensity::dpi(300));
    encoder.set_exif_metadata(exif.clone()).unwrap();
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder.encode_image(&rgb(number)).unwrap();
    let comment = b"\xff\xfe\0\x07hello";
    encoded.splice(2..2, comment.iter().copied());
    (encoded, exif, profile)
}

#[test]
fn a_jpeg_keeps_its_exif_data_colour_profile_comment_and_resolution() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir(&input).unwrap();
    let (file, exif, profile) = jpeg_with_metadata(1);
    fs::write(input.join("IMG_0001.jpeg"), &file).unwrap();
    fs::write(input.join("IMG_0002.jpeg"), &file).unwrap();
    succeed(&[text(&input), "-o", text(&output)]);
    let path = output.join("IMG_0001.jpeg");
    let mut decoder = ImageReader::open(&path).unwrap().into_decoder().unwrap();
    assert_eq!(decoder.exif_metadata().unwrap(), Some(exif));
    assert_eq!(decoder.icc_profile().unwrap(), Some(profile));
    assert_eq!(decoder.dimensions(), (WIDTH, HEIGHT));
    let restored = fs::read(&path).unwrap();
    let has = |bytes: &[u8]| restored.windows(bytes.len()).any(|found| found == bytes);
    assert!(
        has(b"hello") && has(b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c"),
        "{restored:02x?}"
    );
    // Near enough to the picture that is restored from: encoding alone loses little.
    let gentle = folder.join("gentle");
    succeed(&[text(&input), "-o", text(&gentle), "--strength", "0"]);
    let (before, after) = (open(&input.join("IMG_0001.jpeg")), open(&gentle.join("IMG_0001.jpeg")));
    let squares = before
        .as_bytes()
        .iter()
        .zip(after.as_bytes())
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / before.as_bytes().len() as f64;
    assert!(10.0 * (255.0 * 255.0 / mean).log10() > 36.0, "mean square {mean}");
    // A preview is as people see it.
    let preview = folder.join("preview");
    succeed(&[text(&input), "-o", text(&preview), "--preview", "0"]);
    let shown = open(&preview.join("IMG_%04d-before.png"));
    assert_eq!((shown.width(), shown.height()), (HEIGHT, WIDTH));
}

#[test]
fn a_png_keeps_its_texts_profile_gamma_and_resolution_and_a_palette_is_told() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir(&input).unwrap();
    for number in 1..=2 {
        let file = File::create(input.join(format!("{number}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_source_gamma(png::ScaledFloat::new(0.45455));
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: 11811,
            yppu: 11811,
            unit: png::Unit::Meter,
        }));
        encoder.add_text_chunk("Software".into(), "Blender".into()).unwrap();
        encoder.add_itxt_chunk("Title".into(), "Köln".into()).unwrap();
        encoder
            .write_header()
            .unwrap()
            .write_image_data(rgb(number).as_bytes())
            .unwrap();
        let file = File::create(input.join(format!("palette{number}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(vec![0, 0, 0, 255, 0, 0, 0, 255, 0]);
        let pixels: Vec<u8> = (0..WIDTH * HEIGHT).map(|at| (at / 7 % 3) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let decoder = png::Decoder::new(std::io::BufReader::new(File::open(output.join("1.png")).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let info = reader.info();
    assert_eq!(info.uncompressed_latin1_text[0].text, "Blender");
    assert_eq!(info.utf8_text[0].get_text().unwrap(), "Köln");
    assert_eq!(info.pixel_dims.unwrap().xppu, 11811);
    assert!(info.gama_chunk.is_some());
    assert!(
        stderr(&done).contains("palette1.png: its palette becomes RGB"),
        "{}",
        stderr(&done)
    );
    assert!(open(&output.join("palette2.png")).to_rgb8() == open(&input.join("palette2.png")).to_rgb8());
    assert_eq!(
        record(&output.join("palette%d.png"))["lost"][0],
        "its palette becomes RGB"
    );
}

#[test]
fn a_tiff_keeps_its_tags_and_compression_and_further_pages_are_told() {
    use tiff::{
        decoder::Decoder,
        encoder::{Compression, Rational, TiffEncoder, colortype::RGB16},
        tags::Tag,
    };

    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir(&input).unwrap();
    let picture = kinds()[5].1.to_rgb16();
    for number in 1..=2 {
        let file = File::create(input.join(format!("render.{number:04}.tiff"))).unwrap();
        let mut encoder = TiffEncoder::new(file).unwrap().with_compression(Compression::Lzw);
        for page in 0..2 {
            let mut image = encoder.new_image::<RGB16>(WIDTH, HEIGHT).unwrap();
            let tags = image.encoder();
            tags.write_tag(Tag::ImageDescription, format!("page {page}").as_str())
                .unwrap();
            tags.write_tag(Tag::IccProfile, &[5_u8; 300][..]).unwrap();
            tags.write_tag(Tag::XResolution, Rational { n: 300, d: 1 }).unwrap();
            tags.write_tag(Tag::Unknown(65000), 7_u16).unwrap();
            image.write_data(picture.as_raw()).unwrap();
        }
    }
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let mut decoder = Decoder::new(File::open(output.join("render.0002.tiff")).unwrap()).unwrap();
    assert_eq!(decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap(), "page 0");
    assert_eq!(decoder.get_tag_u8_vec(Tag::IccProfile).unwrap(), [5; 300]);
    assert_eq!(decoder.get_tag_u32(Tag::Compression).unwrap(), 5);
    assert_eq!(
        decoder.get_tag(Tag::XResolution).unwrap(),
        tiff::decoder::ifd::Value::Rational(300, 1)
    );
    assert!(!decoder.more_images());
    assert!(open(&output.join("render.0001.tiff")) == DynamicImage::from(picture));
    for lost in ["its further pages are not kept", "its tag 65000 is not kept"] {
        assert!(stderr(&done).contains(lost), "{}", stderr(&done));
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_do() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir(&input).unwrap();
    for number in 1..=2 {
        fs::write(input.join(format!("shot.{number:04}.exr")), "v/1\x01").unwrap();
    }
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("shot.%04d.exr' cannot be read") && stderr(&refused).contains("convert them"),
        "{}",
        stderr(&refused)
    );
    let small = folder.join("small");
    (1..=2).for_each(|number| save(&rgb_of(15, 15, number), &small.join(format!("{number}.png"))));
    let refused = run(&[text(&small), "-o", text(&output)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("15x15 pixels"), "{}", stderr(&refused));
    let floating = folder.join("floating");
    (1..=2).for_each(|number| save(&rgb(number).to_rgb32f().into(), &floating.join(format!("{number}.tif"))));
    let refused = run(&[text(&floating), "-o", text(&output)]);
    assert!(stderr(&refused).contains("floating-point"), "{}", stderr(&refused));
    frames(&folder.join("frames"), 1..=2);
    for target in ["out.mp4", "out.png", "out.gif"] {
        let refused = run(&[text(&folder.join("frames")), "-o", text(&folder.join(target))]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("name a folder"), "{}", stderr(&refused));
        assert!(!folder.join(target).exists());
    }
    let refused = run(&[text(&folder.join("frames")), "-o", text(&output), "--plan"]);
    assert!(stderr(&refused).contains("are for videos"), "{}", stderr(&refused));
}

#[test]
fn samples_that_become_others_are_told() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::create_dir(&input).unwrap();
    let ten_bits = |at: u32| ((at * 7 % 1024) as u16).to_be_bytes();
    let ten_bits: Vec<u8> = (0..WIDTH * HEIGHT).flat_map(ten_bits).collect();
    for number in 1..=2 {
        let header = format!("P5\n{WIDTH} {HEIGHT}\n1023\n").into_bytes();
        fs::write(
            input.join(format!("ten{number}.pgm")),
            [header, ten_bits.clone()].concat(),
        )
        .unwrap();
        let file = File::create(input.join(format!("one{number}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let pixels = vec![0b1100_1010; (WIDTH / 8 * HEIGHT) as usize];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    for told in [
        "ten1.pgm: its samples up to 1023 become samples up to 65535",
        "one1.png: its samples of 1 bits become samples of 8 bits",
    ] {
        assert!(stderr(&done).contains(told), "{}", stderr(&done));
    }
    for name in ["ten1.pgm", "one2.png"] {
        assert!(open(&input.join(name)) == open(&output.join(name)), "{name}");
    }
}

#[test]
fn pictures_of_several_sizes_are_all_restored() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    for (number, (width, height)) in [(96, 64), (96, 64), (97, 33), (64, 96), (64, 96)]
        .into_iter()
        .enumerate()
    {
        save(&rgb_of(width, height, 1), &input.join(format!("{number}.png")));
    }
    save(&kinds()[1].1, &input.join("5.png"));
    succeed(&[text(&input), "-o", text(&output)]);
    for number in 0..6 {
        let (before, after) = (
            open(&input.join(format!("{number}.png"))),
            open(&output.join(format!("{number}.png"))),
        );
        assert_eq!(
            (before.width(), before.height(), before.color()),
            (after.width(), after.height(), after.color())
        );
        assert!(before != after, "{number}");
    }
}

#[test]
fn a_picture_that_is_named_itself_is_restored_on_its_own() {
    let (_folder, folder) = folder();
    let photo = folder.join("photo.jpg");
    save(&rgb(1), &photo);
    save(&rgb(2), &folder.join("other.png"));
    let sharp = folder.join("sharp.jpg");
    succeed(&[text(&photo), "-o", text(&sharp)]);
    assert!(open(&sharp) != open(&photo));
    assert_eq!(record(&sharp)["frames"], 1);
    assert!(!folder.join("sharp.jpg.blurdm").exists());
    let out = folder.join("out");
    succeed(&[text(&photo), text(&folder.join("other.png")), "-o", text(&out)]);
    assert_eq!(
        names(&out),
        ["other.png", "other.png.json", "photo.jpg", "photo.jpg.json"]
    );
    let original = run(&[text(&photo), "-o", text(&photo), "--overwrite"]);
    assert_eq!(original.status.code(), Some(2));
    // As a shell expands `frames/*.png`.
    frames(&folder.join("frames"), 1..=3);
    let given: Vec<PathBuf> = (1..=3)
        .map(|number| folder.join(format!("frames/frame_{number:05}.png")))
        .collect();
    let expanded = folder.join("expanded");
    let mut arguments: Vec<&str> = given.iter().map(|path| text(path)).collect();
    arguments.extend(["-o", text(&expanded)]);
    let done = succeed(&arguments);
    assert!(expanded.join("frame_%05d.png.json").exists(), "{}", stderr(&done));
    let quoted = folder.join("quoted");
    succeed(&[text(&folder.join("frames/*.png")), "-o", text(&quoted)]);
    assert_eq!(names(&quoted), names(&expanded));
}

#[test]
fn a_part_and_a_preview_follow_from_the_frame_rate() {
    let (_folder, folder) = folder();
    let input = folder.join("in");
    frames(&input, 1..=20);
    let part = folder.join("part");
    let done = succeed(&[text(&input), "-o", text(&part), "--start", "0.2", "--duration", "0.2"]);
    assert!(
        stderr(&done).contains("25 per second are assumed, --framerate"),
        "{}",
        stderr(&done)
    );
    let expected = [6, 7, 8, 9, 10].map(|number| format!("frame_{number:05}.png"));
    let written = names(&part);
    assert_eq!(
        written.iter().filter(|name| name.ends_with(".png")).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    // The other parts follow, and nothing is made twice.
    let done = succeed(&[text(&input), "-o", text(&part)]);
    assert!(
        stderr(&done).contains("20 frames, 5 restored before"),
        "{}",
        stderr(&done)
    );
    let again = succeed(&[text(&input), "-o", text(&part), "--duration", "0.1"]);
    assert!(stderr(&again).contains("was restored before"), "{}", stderr(&again));
    assert_eq!(record(&part.join("frame_%05d.png"))["frames"], 20);
    let fast = folder.join("fast");
    let done = succeed(&[text(&input), "-o", text(&fast), "--start", "0.2", "--framerate", "50"]);
    assert!(!stderr(&done).contains("assumed"), "{}", stderr(&done));
    assert!(!fast.join("frame_00010.png").exists() && fast.join("frame_00011.png").exists());
    let preview = folder.join("preview");
    succeed(&[text(&input), "-o", text(&preview), "--preview", "0.21"]);
    assert_eq!(names(&preview), ["frame_%05d-after.png", "frame_%05d-before.png"]);
    assert!(open(&preview.join("frame_%05d-before.png")) == rgb(6));
    let beyond = run(&[text(&input), "-o", text(&preview), "--start", "9"]);
    assert_eq!(beyond.status.code(), Some(1));
    assert!(
        stderr(&beyond).contains("has no frame between 9.000 s"),
        "{}",
        stderr(&beyond)
    );
}

#[test]
fn compare_report_and_json_are_as_for_videos() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    frames(&input, 1..=8);
    let done = succeed(&[
        text(&input),
        "-o",
        text(&output),
        "--report",
        "--json",
        "--compare",
        "side-by-side",
    ]);
    let wide = open(&output.join("frame_00004.png"));
    assert_eq!((wide.width(), wide.height()), (2 * WIDTH, HEIGHT));
    assert!(wide.crop_imm(0, 0, WIDTH, HEIGHT) == rgb(4) && wide.crop_imm(WIDTH, 0, WIDTH, HEIGHT) != rgb(4));
    let page = fs::read_to_string(output.join("frame_%05d.png.html")).unwrap();
    assert_eq!(page.matches("data:image/png").count(), 10);
    let lines = String::from_utf8(done.stdout).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["total"]), (&"begun".into(), &8.into()));
    let ended = lines.iter().find(|line| line["event"] == "done").unwrap();
    assert_eq!(ended["restored"], 8);
}

#[test]
fn sharp_pictures_pass_as_they_are() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in"), folder.join("out"));
    for number in 1..=4 {
        save(&rgb(number), &input.join(format!("{number}.jpg")));
    }
    succeed(&[text(&input), "-o", text(&output), "--only-blurred"]);
    let passed = record(&output.join("%d.jpg"))["passed"].as_u64().unwrap();
    assert_eq!(passed, 4);
    for number in 1..=4 {
        let name = format!("{number}.jpg");
        assert_eq!(
            fs::read(input.join(&name)).unwrap(),
            fs::read(output.join(&name)).unwrap()
        );
    }
    let wide = folder.join("wide");
    succeed(&[
        text(&input),
        "-o",
        text(&wide),
        "--only-blurred",
        "--compare",
        "side-by-side",
    ]);
    assert_eq!(open(&wide.join("3.jpg")).width(), 2 * WIDTH);
}
