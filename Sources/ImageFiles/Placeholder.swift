// replaced when the room gets content
