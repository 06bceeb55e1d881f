"""What both readers of audio share, without torch: opening any file, naming what is no audio, mixing channels."""
