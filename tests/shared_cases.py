"""What is right for the small inputs that were made after public bug reports."""

WHOLE = {
    "aac_rate_changes/rate.aac": 6.21,
    "amr_with_silence_frames/dtx.amr": 8.6,
    "both_names_of_the_path/voice.flac": 3.2,
    "flac_streamed/streamed.flac": 3.2,
    "lhotse_channels_swapped/two_voices.flac": 2.9,
    "lhotse_mixed_cut_first/voice.flac": 3.2,
    "lhotse_paths_from_elsewhere/corpus/voice.flac": 3.2,
    "lhotse_supervisions_out_of_order/voice.flac": 3.2,
    "long_tmpdir/voice.flac": 3.2,
    "m4a_gap/gap.m4a": 8.6,
    "m4a_title_in_latin1/latin1.m4a": 3.2,
    "manifest_names_a_raw_file/voice.flac": 3.2,
    "mp3_inside_wav/mp3in.wav": 3.25,
    "mp3_rate_changes/rate.mp3": 6.2,
    "mp3_two_files_joined/joined.mp3": 6.15,
    "mp3_vbr_without_xing/vbr.mp3": 8.6,
    "name_with_narrow_space/corpus/Recording 2026-04-15 at 1.01.11\u202fAM.flac": 3.2,
    "name_with_narrow_space/corpus/other.flac": 3.2,
    "named_pipe_in_the_folder/corpus/voice.flac": 3.2,
    "nemo_manifest/voice.flac": 3.2,
    "opus_chained/chained.opus": 6.1,
    "phone_recording_3gp/corpus/phone.3gp": 3.2,
    "phone_recording_3gp/corpus/voice.flac": 3.2,
    "rate_11127/rate_11127.wav": 3.2,
    "speech_in_the_right_channel_only/right_only.flac": 3.2,
    "video_sound_starts_late/late_sound.mp4": 9.1,
    "wav_header_understates/understated.wav": 6.1,
    "wav_two_bytes_promised_too_many/two_more.wav": 6.1,
    "webm_sound_starts_late/late.webm": 6.2,
}
"""Seconds of each recording that can be decoded."""

BAD = {
    "aac_mono_then_stereo/mono_stereo.aac": "its 1 channels become 2 at 3.26 s",
    "float_wav_in_int16_scale/int16_scale.wav": "samples reach 25374 where 1.0 is full scale",
    "git_lfs_pointer/corpus/1001_DFA_ANG_XX.wav": "is a Git LFS pointer, not audio: run git lfs pull",
    "opus_cut_off/cut.opus": "end of the stream, is missing",
    "rf64_cut_off/rf64_cut.wav": r"promises 3\.20 s, found 1\.92 s",
    "vorbis_cut_off/cut.ogg": "end of the stream, is missing",
    "wav_rate_16_hz/rate_16.wav": "a sampling rate of 16 Hz",
    "web_page_saved_as_mp3/corpus/a.mp3": "holds HTML",
}
"""What is said of each that cannot."""
